"""Wire formats: bytes <-> model.

Schema rule: fields are only ever added; ``v`` rises with a change that readers must handle.
The values of ``raw`` and ``deduped`` are the source's own JSON and carry no version. A tick
(see docs/glossary.md) is a record with a header, a timestamp, no key and an empty value.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, TypeVar

import msgspec

from txfeatures import __version__
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import EVENT_TIME, INTEGRAL_MAX, REQUIRED, Feature
from txfeatures.domain.model import (
    YEAR_10000_S,
    EpochSeconds,
    Headers,
    Heartbeat,
    KafkaRecord,
    OutgoingRecord,
    Output,
    PartCount,
    PartitionUpdate,
    Row,
    Satoshi,
    Transaction,
    TransactionHash,
    Weight,
    total_value,
)
from txfeatures.domain.topics import MAX_RECORD_BYTES, RECORD_OVERHEAD_BYTES, dead_letter_topic

TICK_HEADER = "txf-tick"
REASON_HEADER = "txf-reason"
FETCHED_AT_HEADER = "txf-fetched-at"
"""Time of day (epoch milliseconds) at which the poll's answer was there. On a record made of
others, that of the oldest poll among them."""

DECLARATION_HEADER = "txf-declaration"
"""Fingerprint of the declaration that a row was made by."""

MAX_DETAIL_CHARACTERS = 500
"""Of an error's sentence in a header: it may quote the value, and the record must still fit."""

MAX_MS_DIGITS = 15
"""Of a time in milliseconds; 15 reach beyond the year 30,000."""

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class _Essential(msgspec.Struct):
    """The fields that a transaction needs to be counted."""

    hash: TransactionHash
    time: EpochSeconds
    fee: Satoshi


class _Unchecked(msgspec.Struct):
    """The other fields of a transaction, of any type."""

    size: msgspec.Raw = msgspec.Raw(b"null")
    weight: msgspec.Raw = msgspec.Raw(b"null")
    rbf: msgspec.Raw = msgspec.Raw(b"false")
    vin_sz: msgspec.Raw = msgspec.Raw(b"null")
    vout_sz: msgspec.Raw = msgspec.Raw(b"null")
    out: msgspec.Raw = msgspec.Raw(b"null")


_transaction = msgspec.json.Decoder(Transaction)
_essential = msgspec.json.Decoder(_Essential)
_unchecked = msgspec.json.Decoder(_Unchecked)
_weight = msgspec.json.Decoder(Weight)
_part_count = msgspec.json.Decoder(PartCount)
_bool = msgspec.json.Decoder(bool)
_outputs = msgspec.json.Decoder(list[Output])
_heartbeat = msgspec.json.Decoder(Heartbeat)
_update = msgspec.json.Decoder(PartitionUpdate)
_Integral = Annotated[int, msgspec.Meta(ge=-INTEGRAL_MAX - 1, le=INTEGRAL_MAX)]
_row = msgspec.json.Decoder(dict[str, _Integral | float | str])

_FIELD_PATH = re.compile(r"at `\$\.(\w+)")
_MISSING_FIELD = re.compile(r"missing required field `(\w+)`")


def decode_transaction(value: bytes | None) -> Transaction:
    """Decode the source's JSON of one transaction.

    Raises:
        InvalidMessageError: Reasons ``empty``, ``not_utf8``, ``not_json``, ``too_deep``,
            ``not_object``, ``missing_<field>``, ``bad_<field>``; the last two for ``hash``,
            ``time`` and ``fee`` only, other fields are None if they are missing or invalid.
    """
    if not value:
        raise InvalidMessageError("empty", "a transaction needs a value")
    try:
        return _transaction.decode(value)
    except (ValueError, RecursionError):
        return _decode_field_by_field(value)


def decode_or_none(decoder: msgspec.json.Decoder[T], value: bytes) -> T | None:
    """Return the decoded ``value``, or None if ``decoder`` refuses it."""
    try:
        return decoder.decode(value)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


def decode_output_value(out: bytes) -> int | None:
    """Return the satoshi of all outputs from ``out`` of a transaction's JSON; None if invalid."""
    outputs = decode_or_none(_outputs, out)
    return None if outputs is None else total_value(outputs)


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """Return the value of a record of ``feed``."""
    return _encode(heartbeat)


def decode_heartbeat(value: bytes | None) -> Heartbeat:
    """Decode the value of a record of ``feed``; raises InvalidMessageError."""
    return _decode(_heartbeat, value or b"")


def encode_update(update: PartitionUpdate) -> bytes:
    """Return the value of a record of ``partials``."""
    return _encode(update)


def decode_update(value: bytes | None) -> PartitionUpdate:
    """Decode the value of a record of ``partials``; raises InvalidMessageError."""
    return _decode(_update, value or b"")


def encode_row(row: Row) -> bytes:
    """Return the value of a record of ``aggregated``: a flat object, ``v`` first."""
    return _encode({"v": 1, **row})


def decode_row(value: bytes | None, features: Sequence[Feature]) -> Row:
    """Decode the value of a record of ``aggregated``, of which ``features`` are declared.

    Other features are ignored; one that is null, or that was declared later, is left out.

    Raises:
        InvalidMessageError: The value is no flat object, a feature has another type, or one
            of ``REQUIRED`` is missing.
    """
    found = _decode(_row, value or b"")
    row: dict[str, int | float | str] = {}
    for feature in features:
        if feature.name not in found:
            if feature.name not in REQUIRED:
                continue
            raise InvalidMessageError(
                f"missing_{feature.name}", f"a row needs the feature {feature.name}"
            )
        item = found[feature.name]
        if not isinstance(item, _PYTHON_TYPES[feature.type]):
            raise InvalidMessageError(
                f"bad_{feature.name}", f"{feature.name} must be {feature.type}, got {item!r}"
            )
        row[feature.name] = float(item) if feature.type == "Fractional" else item
    if not 0 <= float(row[EVENT_TIME]) < YEAR_10000_S:
        raise InvalidMessageError(
            f"bad_{EVENT_TIME}", f"{EVENT_TIME} must have a date, got {row[EVENT_TIME]!r}"
        )
    return row


def tick(topic: str, partition: int, timestamp_ms: int, *, headers: Headers = ()) -> OutgoingRecord:
    """Return the record that advances the feed clock of a partition to ``timestamp_ms``."""
    return OutgoingRecord(
        topic=topic,
        partition=partition,
        key=None,
        value=b"",  # not None: aiokafka refuses a record without key and value
        timestamp_ms=timestamp_ms,
        headers=((TICK_HEADER, b"1"), *headers),
    )


def is_tick(record: KafkaRecord) -> bool:
    """Return whether ``record`` is a tick of the feed clock."""
    return record.key is None and any(name == TICK_HEADER for name, _ in record.headers)


def too_large(value: bytes, max_record_bytes: int) -> InvalidMessageError | None:
    """Return the error of a value that no record can hold, None if one can."""
    if len(value) <= max_record_bytes - RECORD_OVERHEAD_BYTES:
        return None
    digest = hashlib.sha256(value).hexdigest()
    return InvalidMessageError(
        "too_large", f"{len(value)} bytes, more than a record takes; SHA-256 {digest}"
    )


def dead_letter(
    record: KafkaRecord, error: InvalidMessageError, *, max_record_bytes: int = MAX_RECORD_BYTES
) -> OutgoingRecord:
    """Return ``record`` byte for byte for its dead letter topic, with origin and reason.

    A value that no record can hold is left out, and the reason has its size and SHA-256: a
    record may be larger that another producer wrote. Header names follow Kafka Streams
    (KIP-1034), so that existing tools can read them.
    """
    larger = too_large(record.value or b"", max_record_bytes)
    if larger and larger.reason != error.reason:
        error = InvalidMessageError(error.reason, f"{larger.detail}; {error.detail}")
    return OutgoingRecord(
        topic=dead_letter_topic(record.topic),
        partition=record.partition,
        key=record.key,
        value=None if larger else record.value,
        timestamp_ms=record.timestamp_ms,
        headers=(
            *record.headers,
            *error_headers(error),
            ("__streams.errors.topic", record.topic.encode()),
            ("__streams.errors.partition", str(record.partition).encode()),
            ("__streams.errors.offset", str(record.offset).encode()),
        ),
    )


def fetched_at(at_ms: int) -> Headers:
    """Return the header of records that a poll brought at ``at_ms``."""
    return ((FETCHED_AT_HEADER, str(at_ms).encode()),)


def fetched_at_ms(record: KafkaRecord) -> int | None:
    """Return when the oldest poll in ``record`` was answered, None if it doesn't say."""
    found = header(record.headers, FETCHED_AT_HEADER) or b""
    return int(found) if found.isdigit() and len(found) <= MAX_MS_DIGITS else None


def oldest_fetch(records: Iterable[KafkaRecord]) -> Headers:
    """Return the header of a record that is made of ``records``; none if they have none."""
    times = [at_ms for record in records if (at_ms := fetched_at_ms(record)) is not None]
    return fetched_at(min(times)) if times else ()


def error_headers(error: InvalidMessageError) -> Headers:
    """Return the headers of a dead letter that hold its reason."""
    return (
        (REASON_HEADER, error.reason.encode()),
        ("__streams.errors.exception", type(error).__name__.encode()),
        ("__streams.errors.message", error.detail[:MAX_DETAIL_CHARACTERS].encode()),
        ("txf-version", __version__.encode()),
    )


def header(headers: Headers | Sequence[tuple[str, bytes]], name: str) -> bytes | None:
    """Return the last value of the header ``name``, or None if there is none."""
    return next((value for key, value in reversed(list(headers)) if key == name), None)


_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "Integral": int,
    "Fractional": (float, int),
    "String": str,
}


def _decode_field_by_field(value: bytes) -> Transaction:
    essential = _decode(_essential, value)
    unchecked = _decode(_unchecked, value)
    return Transaction(
        hash=essential.hash,
        time=essential.time,
        fee=essential.fee,
        size=decode_or_none(_weight, unchecked.size),
        weight=decode_or_none(_weight, unchecked.weight),
        rbf=decode_or_none(_bool, unchecked.rbf),
        vin_sz=decode_or_none(_part_count, unchecked.vin_sz),
        vout_sz=decode_or_none(_part_count, unchecked.vout_sz),
        out=decode_or_none(_outputs, unchecked.out),
    )


def _decode(decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        raise InvalidMessageError(_reason(str(error)), str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidMessageError("not_utf8", str(error)) from error
    except msgspec.DecodeError as error:
        raise InvalidMessageError("not_json", str(error)) from error
    except RecursionError as error:
        raise InvalidMessageError("too_deep", "the JSON is nested too deeply to be read") from error


def _reason(message: str) -> str:
    if missing := _MISSING_FIELD.search(message):
        return f"missing_{missing[1]}"
    if path := _FIELD_PATH.search(message):
        return f"bad_{path[1]}"
    return "not_object"
