"""The limit: a loop on confluent-kafka with only a set.

Its state is lost with the process, so it is no usable dedup; it shows the cost of the client
library alone.
"""

import os
import signal
import sys
from typing import Any

from confluent_kafka import Consumer, Producer

from txfeatures.process.clock import SystemClock

BATCH = 1000
COMMIT_S = 0.1


def main() -> None:
    """Forward first sightings until SIGTERM."""
    transactional = os.environ["BENCH_GUARANTEE"] == "exactly_once"
    bootstrap = {"bootstrap.servers": os.environ["BENCH_BOOTSTRAP"]}
    consumer = Consumer(
        {
            **bootstrap,
            "group.id": "limit",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    producer = Producer(
        {
            **bootstrap,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            "enable.idempotence": True,
            **({"transactional.id": "limit"} if transactional else {}),
        }
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    consumer.subscribe([os.environ["BENCH_SOURCE"]])
    try:
        if transactional:
            producer.init_transactions()
        loop(consumer, producer, os.environ["BENCH_TARGET"], transactional=transactional)
    finally:
        consumer.close()


def loop(consumer: Consumer, producer: Producer, target: str, *, transactional: bool) -> None:
    """Read records, send the new ones, and commit every ``COMMIT_S``."""
    clock = SystemClock()
    seen: set[Any] = set()
    while True:
        if transactional:
            producer.begin_transaction()
        read = 0
        commit_at = clock.monotonic() + COMMIT_S
        while clock.monotonic() < commit_at:
            batch = []
            messages = consumer.consume(BATCH, COMMIT_S)
            for message in messages:
                key = message.key()
                if key not in seen:
                    seen.add(key)
                    batch.append({"key": key, "value": message.value()})
            producer.produce_batch(target, batch)
            producer.poll(0)
            read += len(messages)
        if transactional:
            offsets = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
            producer.commit_transaction()
        else:
            producer.flush()
            if read:
                consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main()
