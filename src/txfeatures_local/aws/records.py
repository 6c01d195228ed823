"""From the wire's feature values to a record, and back."""

from collections.abc import Collection, Mapping
from typing import Any

from txfeatures_local.aws.errors import invalid_record
from txfeatures_local.aws.model import FeatureGroup, Record, Ttl
from txfeatures_local.aws.values import MAX_TIME_S, NS_PER_S, check_value, event_time_ns

MAX_RECORD_BYTES = 350 * 1024
MAX_RECORD_ID_BYTES = 2 * 1024

ONLINE = "OnlineStore"
OFFLINE = "OfflineStore"


def read_record(
    group: FeatureGroup, feature_values: list[dict[str, Any]], ttl: Ttl | None
) -> Record:
    """Return a record to put.

    Args:
        group: Its features and their types rule.
        feature_values: As PutRecord's member ``Record``.
        ttl: The record's own time to live; without it, the group's counts.

    Raises:
        AwsError: ValidationError; a value is unknown, doubled, ill-typed or too large, or
            the identifier or the event time is missing.
    """
    values = read_values(group, feature_values)
    for name in (group.record_identifier, group.event_time):
        if name not in values:
            raise invalid_record(f"The record has no value for its required feature [{name}].")
    return make_record(group, values, ttl)


def make_record(group: FeatureGroup, values: Mapping[str, str], ttl: Ttl | None) -> Record:
    """Return the record that complete, checked values make."""
    record_id = values[group.record_identifier]
    if not 1 <= len(record_id.encode()) <= MAX_RECORD_ID_BYTES:
        raise invalid_record(f"A record identifier has 1 to {MAX_RECORD_ID_BYTES} bytes.")
    if sum(len(n.encode()) + len(v.encode()) for n, v in values.items()) > MAX_RECORD_BYTES:
        raise invalid_record(f"A record has at most {MAX_RECORD_BYTES} bytes.")
    time_ns = event_time_ns(group.event_time, group.event_time_type, values[group.event_time])
    ttl = ttl or (group.online.ttl if group.online else None)
    return Record(
        record_id=record_id,
        event_time_ns=time_ns,
        values={name: values[name] for name in group.features if name in values},
        expires_at_ns=_expiry_ns(time_ns, ttl) if ttl else None,
    )


def read_values(group: FeatureGroup, feature_values: list[dict[str, Any]]) -> dict[str, str]:
    """Return the text per feature; a feature named without a value is absent.

    Raises:
        AwsError: ValidationError.
    """
    values: dict[str, str] = {}
    for feature_value in feature_values:
        name = feature_value["FeatureName"]
        check_names(group, [name])
        if name in values:
            raise invalid_record(f"Feature [{name}] occurs more than once in the record.")
        if "ValueAsStringList" in feature_value:
            raise invalid_record(f"Feature [{name}] is no collection; give ValueAsString.")
        text = feature_value.get("ValueAsString")
        if text is not None:
            check_value(name, group.features[name], text)
            values[name] = text
    return values


def tombstone(group: FeatureGroup, record_id: str, event_time: str) -> Record:
    """Return what a deletion leaves behind.

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
    """Return the stores that a write goes to: those wanted, or all that the group has.

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


def to_wire(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return values as the wire's member ``Record``."""
    return [{"FeatureName": name, "ValueAsString": text} for name, text in values.items()]


def _expiry_ns(time_ns: int, ttl: Ttl) -> int:
    return min(time_ns + ttl.duration_s * NS_PER_S, MAX_TIME_S * NS_PER_S)
