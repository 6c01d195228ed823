import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest
from confluent_kafka import Message

from bench import probe
from bench.cluster import Cluster
from bench.probe import Probe
from txfeatures.domain.model import OutgoingRecord
from txfeatures.process.clock import SystemClock


class Line:
    """A topic in place of raw and deduped, with records readable at once unless held."""

    bootstrap_servers = "x"

    def __init__(self) -> None:
        self.sent: list[OutgoingRecord] = []
        self.read = 0
        self.is_held = threading.Event()

    @contextmanager
    def reader(self, *_: str, from_end: bool) -> Iterator["Line"]:
        assert from_end
        yield self

    def consume(self, *_: object) -> list[Message]:
        SystemClock().wait(threading.Event(), 0.001)
        if self.is_held.is_set():
            return []
        new, self.read = self.sent[self.read :], len(self.sent)
        return [Message(topic="deduped", partition=0, offset=0, key=r.key) for r in new]

    def publish(self, records: list[OutgoingRecord]) -> None:
        self.sent += records

    def close(self) -> None: ...


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    line = Line()
    monkeypatch.setattr(probe, "KafkaSink", lambda *_, **__: line)
    return line


def test_what_still_waits_counts_with_the_time_it_has_waited(line: Line) -> None:
    with Probe(cast("Cluster", line), SystemClock()) as looking:
        line.is_held.set()
        held_s = looking.worst_s(0.4)
    assert held_s > 0.2


def test_every_partition_gets_hashes_of_its_own_and_no_probe_repeats_another(line: Line) -> None:
    for _ in range(2):
        with Probe(cast("Cluster", line), SystemClock()) as looking:
            looking.worst_s(0.3)
    keys = [record.key for record in line.sent]
    assert len(keys) == len({*keys})
    assert {record.partition for record in line.sent} == {0, 1, 2, 3}
