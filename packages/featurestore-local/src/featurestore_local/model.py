"""The model of a feature group, of its records and of its online store.

Pure: no clock, no network. Times are nanoseconds since the epoch, because String
event times carry nanoseconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from featurestore_local.values import FeatureType

_UNIT_S = {"Seconds": 1, "Minutes": 60, "Hours": 3600, "Days": 86_400, "Weeks": 604_800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ttl:
    """A record's time to live, counted from its event time."""

    unit: str
    value: int

    @property
    def duration_s(self) -> int:
        """Return the length in seconds."""
        return self.value * _UNIT_S[self.unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineSettings:
    """Settings of a feature group's online store."""

    storage_type: str = "Standard"
    ttl: Ttl | None = None
    kms_key_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineSettings:
    """Settings of a feature group's offline store.

    Attributes:
        s3_uri: As given by the user.
        resolved_s3_uri: Folder of the rows; ends in ``/data``.
        table_format: ``Default``, ``Glue`` or ``Iceberg``.
        catalog: Catalog, database and table, or None if no Glue table is wanted.
        kms_key_id: Described, but not used.
    """

    s3_uri: str
    resolved_s3_uri: str
    table_format: str = "Default"
    catalog: tuple[str, str, str] | None = None
    kms_key_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """The collection type of a feature that holds several values.

    Attributes:
        kind: ``List``, ``Set`` or ``Vector``.
        dimension: Number of values of a Vector.
    """

    kind: str
    dimension: int | None = None


Value = str | tuple[str, ...]
"""The value of a feature: a string, or the strings of a collection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureGroup:
    """A feature group: its schema and its stores.

    Attributes:
        features: Type per name, in definition order.
        collections: Collection type per feature that holds several values.
        throughput: As given by the user; described, but not enforced.
    """

    name: str
    arn: str
    created_at_s: float
    record_identifier: str
    event_time: str
    features: Mapping[str, FeatureType]
    collections: Mapping[str, Collection] = field(default_factory=dict)
    online: OnlineSettings | None = None
    offline: OfflineSettings | None = None
    throughput: Mapping[str, str | int] | None = None
    role_arn: str | None = None
    description: str | None = None

    @property
    def event_time_type(self) -> FeatureType:
        """Return the type of the event time feature."""
        return self.features[self.event_time]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One version of a record.

    Attributes:
        values: Value per feature, in definition order; a feature without a value is absent.
        is_deleted: Whether it is a tombstone, which has an identifier and an event time only.
    """

    record_id: str
    event_time_ns: int
    values: Mapping[str, Value]
    expires_at_ns: int | None = None
    is_deleted: bool = False

    def is_readable(self, now_ns: int) -> bool:
        """Return whether the record is neither deleted nor expired."""
        return not self.is_deleted and not self.is_expired(now_ns)

    def is_expired(self, now_ns: int) -> bool:
        """Return whether the record has outlived its time to live."""
        return self.expires_at_ns is not None and self.expires_at_ns <= now_ns

    def only(self, names: Sequence[str]) -> Mapping[str, Value]:
        """Return the values of the named features, or all if no name is given."""
        return {n: v for n, v in self.values.items() if n in names} if names else self.values


@dataclass(slots=True)
class OnlineStore:
    """The newest record per identifier, by event time, not by arrival."""

    _records: dict[str, Record] = field(default_factory=dict)

    def put(self, record: Record) -> bool:
        """Store a record if it is newer than the stored one; return whether it is.

        A record of the same or an older event time changes nothing: AWS treats it as history.
        A tombstone counts as a record, so that history can't restore a deleted record.
        """
        held = self._records.get(record.record_id)
        if held is not None and record.event_time_ns <= held.event_time_ns:
            return False
        self._records[record.record_id] = record
        return True

    def replace(self, record: Record) -> None:
        """Store a record regardless of its event time."""
        self._records[record.record_id] = record

    def get(self, record_id: str) -> Record | None:
        """Return a stored record, which may be a tombstone or expired."""
        return self._records.get(record_id)

    def remove(self, record_id: str) -> None:
        """Remove a record or its tombstone."""
        self._records.pop(record_id, None)

    def remove_expired(self, now_ns: int) -> list[Record]:
        """Remove the records that have expired, and return them."""
        expired = [record for record in self if record.is_expired(now_ns)]
        for record in expired:
            self.remove(record.record_id)
        return expired

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())
