"""Bytes of a transaction, for the cost page: ``python -m bench.footprint RECORDING``.

It measures sizes, so that its result does not depend on the load of the machine.
"""

import gzip
import hashlib
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import typer
from kafka_local import EmbeddedKafka

from txfeatures.archive import recording, schema
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import RAW, TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.process.settings import KafkaSettings

PARTITIONS = 4
POLL, LOADED = 7, 1_000
"""Transactions of a poll at the live rate, and of a batch under load."""

CUT = 2_100
"""Transactions in an archive object at the live rate: seven a second for 300 seconds."""


def digest(value: bytes) -> bytes:
    """Return a key that is as long, and as hard to compress, as a transaction's hash."""
    return hashlib.sha256(value).hexdigest().encode()


def on_broker(values: Sequence[bytes], batch: int) -> float:
    """Return the bytes that a broker stores per transaction sent in batches of ``batch``."""
    with tempfile.TemporaryDirectory() as directory, EmbeddedKafka(directory) as kafka:
        settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)
        [raw] = [topic for topic in TOPICS if topic.name == RAW]
        KafkaAdmin(settings).create([raw], partitions=PARTITIONS, replication=1, keep_forever=True)
        with closing(KafkaSink(settings, client_id="footprint")) as sink:
            for start in range(0, len(values), batch):
                sink.publish(
                    [
                        OutgoingRecord(topic=RAW, key=digest(value), value=value, timestamp_ms=1)
                        for value in values[start : start + batch]
                    ]
                )
        logs = Path(directory).rglob(f"{RAW}-*/*.log")
        return sum(log.stat().st_size for log in logs) / len(values)


def in_archive(values: Sequence[bytes]) -> float:
    """Return the bytes of Parquet per transaction, in objects of one cut."""
    total = 0
    for start in range(0, len(values), CUT):
        records = [
            Record(
                topic="deduped", partition=0, offset=i, key=None, value=value,
                timestamp_ms=1, headers=(),
            )
            for i, value in enumerate(values[start : start + CUT])
        ]  # fmt: skip
        total += len(schema.encode(records))
    return total / len(values)


def main(file: Path) -> None:
    """Print the footprint of the transactions in ``file`` as TOML."""
    values = [bytes(arrival.tx) for arrival in recording.read(file)]
    answer = b"[" + b",".join(values[:100]) + b"]"
    typer.echo(f"transactions = {len(values)}")
    typer.echo(f"json_bytes = {sum(map(len, values)) / len(values):.0f}")
    typer.echo(f"broker_bytes_live = {on_broker(values, POLL):.0f}")
    typer.echo(f"broker_bytes_loaded = {on_broker(values, LOADED):.0f}")
    typer.echo(f"archive_bytes = {in_archive(values):.0f}")
    typer.echo(f"answer_bytes = {len(gzip.compress(answer))}")


if __name__ == "__main__":
    typer.run(main)
