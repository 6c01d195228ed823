"""Conversion between feature values on the wire and records."""

from collections.abc import Collection, Mapping
from typing import Any

from featurestore_local.errors import invalid_record
from featurestore_local.model import FeatureGroup, Record, Ttl, Value
from featurestore_local.values import (
    MAX_TIME_S,
    NS_PER_S,
    FeatureType,
    check_value,
    event_time_ns,
    iso_time,
)

MAX_RECORD_BYTES = 350 * 1024
MAX_RECORD_ID_BYTES = 2 * 1024

ONLINE = "OnlineStore"
OFFLINE = "OfflineStore"


def read_record(
    group: FeatureGroup, feature_values: list[dict[str, Any]], ttl: Ttl | None
) -> Record:
    """Return the record of a put.

    Args:
        group: The group whose schema the record must match.
        feature_values: The member ``Record`` of PutRecord.
        ttl: The record's own time to live; None for the group's.

    Raises:
        AwsError: ValidationError; a feature is unknown or repeated, a value is ill-typed or
            too large, or the identifier or the event time is missing.
    """
    values = read_values(group, feature_values)
    for name in (group.record_identifier, group.event_time):
        if name not in values:
            raise invalid_record(f"The record has no value for its required feature [{name}].")
    return make_record(group, values, ttl)


def make_record(group: FeatureGroup, values: Mapping[str, Value], ttl: Ttl | None) -> Record:
    """Return the record of complete, checked values."""
    record_id, event_time = values[group.record_identifier], values[group.event_time]
    assert isinstance(record_id, str)  # noqa: S101  # schema.py refuses collections for both
    assert isinstance(event_time, str)  # noqa: S101
    if not 1 <= len(record_id.encode()) <= MAX_RECORD_ID_BYTES:
        raise invalid_record(f"A record identifier has 1 to {MAX_RECORD_ID_BYTES} bytes.")
    if sum(len(name.encode()) + _size(value) for name, value in values.items()) > MAX_RECORD_BYTES:
        raise invalid_record(f"A record has at most {MAX_RECORD_BYTES} bytes.")
    time_ns = event_time_ns(group.event_time, group.event_time_type, event_time)
    ttl = ttl or (group.online.ttl if group.online else None)
    return Record(
        record_id=record_id,
        event_time_ns=time_ns,
        values={name: values[name] for name in group.features if name in values},
        expires_at_ns=_expiry_ns(time_ns, ttl) if ttl else None,
    )


def read_values(group: FeatureGroup, feature_values: list[dict[str, Any]]) -> dict[str, Value]:
    """Return the value of each feature, without features that have none.

    Raises:
        AwsError: ValidationError.
    """
    values: dict[str, Value] = {}
    for feature_value in feature_values:
        name = feature_value["FeatureName"]
        check_names(group, [name])
        if name in values:
            raise invalid_record(f"Feature [{name}] occurs more than once in the record.")
        value = _read_value(group, name, feature_value)
        if value is not None:
            values[name] = value
    return values


def expired_tombstone(group: FeatureGroup, record: Record) -> Record:
    """Return the tombstone of an expired record, dated at its expiry."""
    expired_ns = record.expires_at_ns or record.event_time_ns
    is_text = group.event_time_type is FeatureType.STRING
    time = iso_time(expired_ns) if is_text else str(expired_ns / NS_PER_S)
    return tombstone(group, record.record_id, time)


def tombstone(group: FeatureGroup, record_id: str, event_time: str) -> Record:
    """Return the tombstone of a deleted record.

    Raises:
        AwsError: ValidationError; the identifier or the event time is ill-typed.
    """
    check_value(group.record_identifier, group.features[group.record_identifier], record_id)
    return Record(
        record_id=record_id,
        event_time_ns=event_time_ns(group.event_time, group.event_time_type, event_time),
        values={group.record_identifier: record_id, group.event_time: event_time},
        is_deleted=True,
    )


def check_names(group: FeatureGroup, names: Collection[str]) -> None:
    """Refuse names that the group doesn't define."""
    for name in names:
        if name not in group.features:
            raise invalid_record(f"FeatureGroup [{group.name}] has no feature [{name}].")


def target_stores(group: FeatureGroup, wanted: Collection[str] | None) -> frozenset[str]:
    """Return the stores to write to: those wanted, or all that the group has.

    Raises:
        AwsError: ValidationError; the group lacks a store that is wanted.
    """
    settings = {ONLINE: group.online, OFFLINE: group.offline}
    present = frozenset(store for store, setting in settings.items() if setting is not None)
    if missing := frozenset(wanted or ()) - present:
        raise invalid_record(f"FeatureGroup [{group.name}] has no {', '.join(sorted(missing))}.")
    return frozenset(wanted) if wanted else present


def read_ttl(duration: Mapping[str, Any] | None) -> Ttl | None:
    """Return a time to live from the wire's ``TtlDuration``."""
    return Ttl(unit=duration["Unit"], value=duration["Value"]) if duration else None


def to_wire(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    """Return values as the member ``Record`` on the wire."""
    return [
        {"FeatureName": name, "ValueAsString": value}
        if isinstance(value, str)
        else {"FeatureName": name, "ValueAsStringList": list(value)}
        for name, value in values.items()
    ]


def _read_value(group: FeatureGroup, name: str, feature_value: Mapping[str, Any]) -> Value | None:
    text, texts = feature_value.get("ValueAsString"), feature_value.get("ValueAsStringList")
    collection = group.collections.get(name)
    if collection is None:
        if texts is not None:
            raise invalid_record(f"Feature [{name}] is not a collection; give ValueAsString.")
        if text is not None:
            check_value(name, group.features[name], text)
        return text
    if text is not None:
        raise invalid_record(f"Feature [{name}] is a collection; give ValueAsStringList.")
    if texts is None:
        return None
    for each in texts:
        check_value(name, group.features[name], each)
    if collection.dimension not in {None, len(texts)}:
        raise invalid_record(f"Feature [{name}] must have {collection.dimension} values.")
    return tuple(dict.fromkeys(texts)) if collection.kind == "Set" else tuple(texts)


def _size(value: Value) -> int:
    return sum(len(text.encode()) for text in ([value] if isinstance(value, str) else value))


def _expiry_ns(time_ns: int, ttl: Ttl) -> int:
    return min(time_ns + ttl.duration_s * NS_PER_S, MAX_TIME_S * NS_PER_S)
