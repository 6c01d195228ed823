"""Apache Kafka on a machine that has neither Docker nor Java.

::

    with EmbeddedKafka(Path("data")) as kafka:
        producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})

Certificates for a secured listener are made by `kafka_local.certificates`, which needs the
extra ``tls``; `kafka_local.pytest_plugin` gives tests a running broker.

The modules, from the bottom: ``lock`` lists the jars of Kafka, ``jars`` downloads them,
``process`` and ``java`` start programs, ``security`` and ``properties`` are Kafka's settings,
``node`` is one Kafka process, ``startup`` makes the next one start faster, ``broker`` is a node
with its place in a cluster, and ``embedded`` puts them together. ``relock`` is the command that
locks the jars of another version of Kafka.
"""

from kafka_local.broker import Broker
from kafka_local.embedded import EmbeddedKafka
from kafka_local.errors import LocalKafkaError
from kafka_local.jars import ensure_jars
from kafka_local.lock import KAFKA_VERSION
from kafka_local.ports import free_port
from kafka_local.process import GuardedProcess
from kafka_local.security import ListenerSecurity

__all__ = [
    "KAFKA_VERSION",
    "Broker",
    "EmbeddedKafka",
    "GuardedProcess",
    "ListenerSecurity",
    "LocalKafkaError",
    "ensure_jars",
    "free_port",
]
