"""The text values that Feature Store accepts, and their meaning.

Every value travels as a string. AWS documents the rules below, but not the messages of its
refusals: those are this package's own.
"""

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from featurestore_local.errors import AwsError, invalid_record

NS_PER_S = 1_000_000_000
_MIN_INTEGRAL, _MAX_INTEGRAL = -(2**63), 2**63 - 1
# Years 0001 to 9999: milliseconds in place of seconds lie beyond and are refused.
_MIN_TIME_S, MAX_TIME_S = -62_135_596_800, 253_402_300_799

_INTEGRAL = re.compile(r"-?[0-9]{1,19}")
_FRACTIONAL = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{3}|\d{9}))?Z", re.ASCII)


class FeatureType(StrEnum):
    """The three scalar types of a feature."""

    INTEGRAL = "Integral"
    FRACTIONAL = "Fractional"
    STRING = "String"


def check_value(name: str, feature_type: FeatureType, text: str) -> None:
    """Refuse a text that is not a value of its feature's type.

    Raises:
        AwsError: ValidationError; the text isn't a signed 64-bit integer or a finite double.
    """
    if feature_type is FeatureType.INTEGRAL and not _is_integral(text):
        raise _mismatch(name, text, "an Integral: a signed 64-bit integer")
    if feature_type is FeatureType.FRACTIONAL and not _is_fractional(text):
        raise _mismatch(name, text, "a Fractional: a finite double")


def event_time_ns(name: str, feature_type: FeatureType, text: str) -> int:
    """Return an event time in nanoseconds since the epoch.

    Args:
        name: Name of the event time feature, for the refusal.
        feature_type: Fractional for epoch seconds, String for ISO-8601 in UTC.
        text: For example ``1700000000.5`` or ``2023-11-14T22:13:20Z``.

    Raises:
        AwsError: ValidationError; the text is not an event time of that type.
    """
    if feature_type is FeatureType.FRACTIONAL:
        return _fractional_time_ns(name, text)
    match = _ISO_TIME.fullmatch(text)
    if match is None:
        raise _mismatch(name, text, "an event time like 2023-11-14T22:13:20Z (UTC, literal Z)")
    try:
        whole = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError as error:
        raise _mismatch(name, text, "an event time: no such date") from error
    return int(whole.timestamp()) * NS_PER_S + int((match[2] or "0").ljust(9, "0"))


def iso_time(time_ns: int) -> str:
    """Return an instant as ISO-8601 in UTC, to the second."""
    return utc(time_ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(time_ns: int) -> datetime:
    """Return an instant as a UTC datetime, to the second."""
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC)


def _fractional_time_ns(name: str, text: str) -> int:
    if not _is_fractional(text) or not _MIN_TIME_S <= float(text) <= MAX_TIME_S:
        raise _mismatch(name, text, "an event time in epoch seconds (not milliseconds)")
    # AWS stores a double; Decimal keeps two different doubles different.
    return int(Decimal(float(text)) * NS_PER_S)


def _is_integral(text: str) -> bool:
    return bool(_INTEGRAL.fullmatch(text)) and _MIN_INTEGRAL <= int(text) <= _MAX_INTEGRAL


def _is_fractional(text: str) -> bool:
    return bool(_FRACTIONAL.fullmatch(text)) and math.isfinite(float(text))


def _mismatch(name: str, text: str, expected: str) -> AwsError:
    return invalid_record(f"Feature [{name}] has value [{text[:80]}], which is not {expected}.")
