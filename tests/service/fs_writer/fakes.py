"""Small real stand-ins for Kafka, Feature Store and S3."""

import io
import threading
from collections.abc import Callable, Mapping, Sequence

import pyarrow.parquet as pq

from txfeatures.archive.layout import ObjectName
from txfeatures.archive.skips import Skip
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.feature_store.writer import Outcome
from txfeatures.kafka.skips import SkippedRecords
from txfeatures.kafka.source import Partition
from txfeatures_fs_writer.logic import Put
from txfeatures_fs_writer.ports import OnPartitions, OnSkipped, StoreUnavailableError


class Log:
    """A topic and the offsets its only group has committed; members come and go."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = list(records)
        self.committed: dict[Partition, int] = {}
        self.commits: list[dict[Partition, int]] = []
        self.refusals: list[Exception] = []

    def open(
        self,
        *,
        on_assigned: OnPartitions,
        on_revoked: OnPartitions,
        on_skipped: OnSkipped | None = None,
    ) -> "Member":
        self.member = Member(self, on_assigned=on_assigned, on_revoked=on_revoked)
        self.member.on_skipped = on_skipped
        return self.member


class Member:
    def __init__(self, log: Log, *, on_assigned: OnPartitions, on_revoked: OnPartitions) -> None:
        self._log = log
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._positions: dict[Partition, int] = {}
        self._next_rebalance: Callable[[], None] | None = self._join
        self.polls = 0
        self.on_skipped: OnSkipped | None = None
        self.skipped: list[SkippedRecords] = []

    def _join(self) -> None:
        self._on_assigned({(record.topic, record.partition) for record in self._log.records})

    def lose_and_regain(self, partitions: set[Partition]) -> None:
        def rebalance() -> None:
            self._on_revoked(partitions)
            for partition in partitions:
                self._positions.pop(partition, None)
            self._on_assigned(partitions)

        self._next_rebalance = rebalance

    def poll(self, *, max_records: int, timeout_s: float) -> list[Record]:
        self.polls += 1
        while self.skipped and self.on_skipped:
            self.on_skipped(self.skipped[0])
            del self.skipped[0]
        if self._next_rebalance is not None:
            self._next_rebalance()
            self._next_rebalance = None
        found: list[Record] = []
        for record in self._log.records:
            key = (record.topic, record.partition)
            start = self._positions.get(key, self._log.committed.get(key, 0))
            if record.offset >= start and len(found) < max_records:
                found.append(record)
                self._positions[key] = record.offset + 1
        return found

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        if next_offsets:
            if self._log.refusals:
                raise self._log.refusals.pop(0)
            self._log.commits.append(dict(next_offsets))
            self._log.committed |= next_offsets


Refuse = Callable[[Mapping[str, str]], InvalidMessageError | StoreUnavailableError | None]


class FeatureStore:
    """Both stores by the rule of PutRecord: online the greater event time, offline every put."""

    def __init__(self, refuse: Refuse) -> None:
        self._refuse = refuse
        self._lock = threading.Lock()
        self._under_way = 0
        self.most_at_a_time = 0
        self.calls: list[Sequence[Mapping[str, str]]] = []
        self.taken: list[Mapping[str, str]] = []
        self.online: dict[str, Mapping[str, str]] = {}
        self.offline: list[Mapping[str, str]] = []

    @property
    def tried(self) -> list[Mapping[str, str]]:
        return [values for call in self.calls for values in call]

    def put(self, puts: Sequence[Put]) -> Sequence[Outcome]:
        with self._lock:
            self._under_way += 1
            self.most_at_a_time = max(self.most_at_a_time, self._under_way)
        with self._lock:
            minutes = [put.values["tx_minute"] for put in puts]
            assert len(set(minutes)) == len(minutes) <= 25
            self.calls.append([put.values for put in puts])
            answers = [self._put(put) for put in puts]
            self._under_way -= 1
        return answers

    def _put(self, put: Put) -> Outcome:
        values = put.values
        if error := self._refuse(values):
            return error
        self.taken.append(values)
        held = self.online.get(values["tx_minute"])
        is_newer = held is None or float(values["event_time"]) > float(held["event_time"])
        if "OnlineStore" in put.targets and is_newer:
            self.online[values["tx_minute"]] = values
        if "OfflineStore" in put.targets:
            self.offline.append(values)
        return None


TOPIC = "Zm9yIHRlc3RzIG9ubHktLQ"


class Archive:
    def __init__(self) -> None:
        self.before: list[str] = []
        self.notes: list[Skip] = []
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.refusals: list[Exception] = []

    def has_without_topic(self, name: ObjectName, first: Record) -> bool:
        assert first.offset == name.first
        return name.key.replace(f".{TOPIC}", "") in self.before

    def note(self, skip: Skip) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.notes.append(skip)

    def put(self, name: ObjectName, body: bytes, *, rows: int) -> None:
        assert rows == pq.ParquetFile(io.BytesIO(body)).metadata.num_rows
        if self.refusals:
            raise self.refusals.pop(0)
        self.puts.append(name.key)
        self.objects[name.key] = body


class DeadLetters:
    def __init__(self) -> None:
        self.records: list[OutgoingRecord] = []
        self.refusals: list[Exception] = []

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.records += records
