"""Apache Kafka on a machine that has neither Docker nor Java.

::

    with EmbeddedKafka(Path("data")) as kafka:
        producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})

The parts, from the bottom: ``lock`` knows which jars Kafka is made of, ``jars`` downloads
them, ``java`` starts programs of theirs, ``security`` and ``properties`` are the broker's
settings, ``node`` lives one broker's life, ``startup`` makes the next one start faster, and
``broker`` puts them together. ``relock`` is the command that moves to another version of Kafka.
"""

from kafka_local.broker import EmbeddedKafka
from kafka_local.jars import ensure_jars
from kafka_local.lock import KAFKA_VERSION
from kafka_local.security import ListenerSecurity

__all__ = ["KAFKA_VERSION", "EmbeddedKafka", "ListenerSecurity", "ensure_jars"]
