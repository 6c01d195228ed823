"""The puts of a batch of rows and the cuts of the archive, decided without I/O or clock.

Rows: a batch of ``aggregated`` becomes, per minute, the puts to be made in order.
Archive: a partition of ``deduped`` is cut into objects by the log alone, from an object's
first record on, so that reading it again makes the same objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, Feature
from txfeatures.domain.model import Record, Row
from txfeatures.domain.wire import decode_row, is_tick
from txfeatures.feature_store.codec import WRITE_BATCH, TableFormat, Target, to_values

PROVISIONAL_TARGETS: tuple[Target, ...] = ("OnlineStore",)
FINAL_TARGETS: tuple[Target, ...] = ("OnlineStore", "OfflineStore")

CALL_BYTES = 1024 * 1024
"""Names and values in one call: far below what any AWS API takes, far above 25 rows."""

LAST_FEED_TIME_MS = 253_402_300_799_999
"""The last millisecond that has a date (9999-12-31): Kafka allows later timestamps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """One row to be put.

    Attributes:
        position: Place of its record in the batch, from 0.
        record: Where the row stood in ``aggregated``.
        values: Feature name -> value as Feature Store takes it.
        event_time_s: Its event time, epoch seconds.
        is_final: Whether it is a final row or a correction of one.
    """

    position: int
    record: Record
    values: Mapping[str, str]
    event_time_s: float
    is_final: bool

    @property
    def targets(self) -> tuple[Target, ...]:
        """Return the stores it goes to: a provisional row never goes offline."""
        return FINAL_TARGETS if self.is_final else PROVISIONAL_TARGETS

    @property
    def size_bytes(self) -> int:
        """Return the bytes of names and values."""
        return sum(len(name) + len(value.encode()) for name, value in self.values.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A record that can't be put, now or ever, and its error."""

    record: Record
    error: InvalidMessageError


Verdict = Refusal | None
"""The fate of a record: None if the store took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The puts of a batch of ``aggregated``.

    Attributes:
        minutes: The puts of each minute, in order; different minutes are independent.
        unreadable: Position in the batch -> the record there that is no row.
        superseded: Provisional rows left out, as the batch has a newer one of their minute.
    """

    minutes: Sequence[Sequence[Put]]
    unreadable: Mapping[int, Refusal]
    superseded: int


def plan(
    records: Sequence[Record], features: Sequence[Feature], table_format: TableFormat = "glue"
) -> Plan:
    """Plan the puts of a batch; final rows and corrections are never left out."""
    rows: dict[int, Row] = {}
    unreadable: dict[int, Refusal] = {}
    newest: dict[str, int] = {}
    for position, record in enumerate(records):
        try:
            row = decode_row(record.value, features)
        except InvalidMessageError as error:
            unreadable[position] = Refusal(record=record, error=error)
            continue
        rows[position] = row
        minute = str(row[RECORD_IDENTIFIER])
        newest[minute] = max(newest.get(minute, 0), int(row["revision"]))

    minutes: dict[str, list[Put]] = {}
    for position, row in rows.items():
        minute, is_final = str(row[RECORD_IDENTIFIER]), bool(row["is_final"])
        if is_final or row["revision"] == newest[minute]:
            put = Put(
                position=position,
                record=records[position],
                values=to_values(row, table_format),
                event_time_s=float(row[EVENT_TIME]),
                is_final=is_final,
            )
            minutes.setdefault(minute, []).append(put)
    return Plan(
        minutes=list(minutes.values()),
        unreadable=unreadable,
        superseded=len(rows) - sum(map(len, minutes.values())),
    )


def calls(puts: Sequence[Put], *, parallel: int) -> list[tuple[Put, ...]]:
    """Share out puts of different minutes among calls.

    Each goes alone while as many as there are can be on their way at once; a backlog goes
    by 25 to a call.
    """
    if len(puts) <= parallel:
        return [(put,) for put in puts]
    shared: list[list[Put]] = []
    room_rows = room_bytes = 0
    for put in puts:
        if not room_rows or put.size_bytes > room_bytes:
            shared.append([])
            room_rows, room_bytes = WRITE_BATCH, CALL_BYTES
        shared[-1].append(put)
        room_rows -= 1
        room_bytes -= put.size_bytes
    return [tuple(call) for call in shared]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRules:
    """The rules for the end of an archive object.

    Attributes:
        bucket_s: Seconds of the feed's clock that an object covers.
        max_rows: Transactions with which it is full.
        max_bytes: JSON bytes with which it is full.
    """

    bucket_s: int
    max_rows: int
    max_bytes: int


@dataclass(slots=True, kw_only=True)
class ArchiveObject:
    """A stretch of one partition's log that becomes one object of the archive.

    Attributes:
        partition: Partition of ``deduped``.
        bucket_start_s: Epoch seconds, by the feed's clock, of the bucket it lies in.
        next_offset: Offset from which the partition is read once the object is stored.
        rows: Its transactions, in order; empty if only ticks came.
        size_bytes: Bytes of their JSON.
    """

    partition: int
    bucket_start_s: int
    next_offset: int
    rows: list[Record] = field(default_factory=list)
    size_bytes: int = 0

    def name(self, topic: str) -> ObjectName:
        """Return its name in the archive of the topic with that id; needs at least one row."""
        shelf = Shelf.at(self.bucket_start_s, self.partition, topic=topic)
        return ObjectName(shelf=shelf, first=self.rows[0].offset)


class Cutter:
    """Cuts the log of one partition into archive objects.

    An object ends before the first record that lies in a later bucket than the
    object's first record, or after the row with which it is full. Nothing before an
    object plays a part: a reader that starts at its first offset cuts as one that came
    from further back.
    """

    def __init__(self, rules: CutRules) -> None:
        self._rules = rules
        self._open: ArchiveObject | None = None

    def add(self, record: Record) -> list[ArchiveObject]:
        """Add the partition's next record; return the objects that are complete now."""
        complete = []
        bucket_start_s = self._bucket_start_s(record.timestamp_ms)
        if self._open is not None and bucket_start_s > self._open.bucket_start_s:
            complete.append(self._open)
            self._open = None
        if self._open is None:
            self._open = ArchiveObject(
                partition=record.partition,
                bucket_start_s=bucket_start_s,
                next_offset=record.offset,
            )
        self._open.next_offset = record.offset + 1
        if not is_tick(record):
            self._open.rows.append(record)
            self._open.size_bytes += len(record.value or b"")
            if self._is_full(self._open):
                complete.append(self._open)
                self._open = None
        return complete

    def _bucket_start_s(self, timestamp_ms: int) -> int:
        seconds = min(max(timestamp_ms, 0), LAST_FEED_TIME_MS) // 1000
        return seconds - seconds % self._rules.bucket_s

    def _is_full(self, candidate: ArchiveObject) -> bool:
        return (
            len(candidate.rows) >= self._rules.max_rows
            or candidate.size_bytes >= self._rules.max_bytes
        )
