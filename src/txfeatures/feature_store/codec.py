"""A row as a record of Feature Store, and a record as a row [pure].

The values of a record are text. A group whose offline store is a Glue table has a Fractional
event time, epoch seconds; an Iceberg table needs a String, ISO-8601 in UTC. Both are read by
their form, so that a reader need not know the table's format.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import (
    EVENT_TIME,
    INTEGRAL_MAX,
    RECORD_IDENTIFIER,
    Feature,
    minute_start_s,
)
from txfeatures.domain.model import FeatureValue, Row

if TYPE_CHECKING:
    from types_boto3_sagemaker_featurestore_runtime.type_defs import (
        FeatureValueOutputTypeDef,
        FeatureValueTypeDef,
    )

TableFormat = Literal["glue", "iceberg"]
Target = Literal["OnlineStore", "OfflineStore"]

WRITE_BATCH = 25
"""Most entries in one BatchWriteRecord."""

Values = Mapping[str, str]
"""Feature name -> value as text."""

REQUIRED = frozenset({RECORD_IDENTIFIER, EVENT_TIME, "revision", "is_final"})
"""Features without which a record is no row; others may be younger than the record."""

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


def to_values(row: Row, table_format: TableFormat = "glue") -> dict[str, str]:
    """Return the values of a row as text that reads back as the same values.

    >>> to_values({"tx_minute": "2024-10-19 10:49:00", "total_fee_1min": 2, "event_time": 3.5})
    {'tx_minute': '2024-10-19 10:49:00', 'total_fee_1min': '2', 'event_time': '3.5'}
    >>> to_values({"event_time": 1729334942.025}, "iceberg")
    {'event_time': '2024-10-19T10:49:02.025Z'}
    """
    values = {name: v if isinstance(v, str) else repr(v) for name, v in row.items()}
    if table_format == "iceberg":
        values[EVENT_TIME] = _iso(float(row[EVENT_TIME]))
    return values


def to_row(values: Values, features: Iterable[Feature]) -> Row:
    """Return the row of a record, of which ``features`` are declared.

    Features that the record lacks are left out, unless they are ``REQUIRED``: the record may be
    older than their declaration. Undeclared features are ignored.

    Raises:
        InvalidMessageError: Reasons ``missing_<feature>`` and ``bad_<feature>``.
    """
    row: dict[str, FeatureValue] = {}
    for feature in features:
        text = values.get(feature.name)
        if text is None:
            if feature.name in REQUIRED:
                raise InvalidMessageError(
                    f"missing_{feature.name}", f"a record needs the feature {feature.name}"
                )
            continue
        value = _value(feature, text)
        if value is None:
            raise InvalidMessageError(
                f"bad_{feature.name}",
                f"{feature.name} must be {feature.type}, the store has {text!r}",
            )
        row[feature.name] = value
    try:
        minute_start_s(str(row[RECORD_IDENTIFIER]))
    except InvalidMessageError as error:
        raise InvalidMessageError(f"bad_{RECORD_IDENTIFIER}", error.detail) from error
    return row


def to_partial_row(values: Values, features: Iterable[Feature]) -> dict[str, FeatureValue]:
    """Return the declared features of a record, those that can't be read as text.

    For comparisons, which report a damaged record and must not fail on it.
    """
    row = {}
    for feature in features:
        if (text := values.get(feature.name)) is not None:
            value = _value(feature, text)
            row[feature.name] = text if value is None else value
    return row


def to_record(values: Values) -> "list[FeatureValueTypeDef]":
    """Return values as the API takes them."""
    return [{"FeatureName": name, "ValueAsString": text} for name, text in values.items()]


def from_record(
    record: "Iterable[FeatureValueTypeDef | FeatureValueOutputTypeDef]",
) -> dict[str, str]:
    """Return the values of a record as the API returns it; collections have none."""
    return {v["FeatureName"]: v["ValueAsString"] for v in record if "ValueAsString" in v}


def _value(feature: Feature, text: str) -> FeatureValue | None:
    """Return the value that ``text`` stands for; None if it is none of the feature's type."""
    match feature.type:
        case "String":
            return text
        case "Integral":
            is_integral = _INTEGER.fullmatch(text) and abs(int(text)) <= INTEGRAL_MAX
            return int(text) if is_integral else None
        case "Fractional":
            try:
                if feature.name == EVENT_TIME and _ISO.fullmatch(text):
                    return datetime.fromisoformat(text).timestamp()
                number = float(text)
            except ValueError:
                return None
            return number if math.isfinite(number) else None


def _iso(epoch_s: float) -> str:
    seconds, milliseconds = divmod(round(epoch_s * 1000), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
