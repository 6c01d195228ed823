import hashlib
import json
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import declared
from tests.support.declared import EMPTY, FEATURES
from txfeatures import __version__
from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import REQUIRED
from txfeatures.domain.model import (
    MAX_MONEY_SAT,
    YEAR_10000_S,
    Heartbeat,
    OutgoingRecord,
    Output,
    Partial,
    PartitionUpdate,
    Record,
    Row,
    Transaction,
)
from txfeatures.domain.topics import RECORD_OVERHEAD_BYTES

HASH = "ab" * 32
TRANSACTION = {"hash": HASH, "time": 1, "fee": 2}
ROW = declared.row(
    EMPTY, minute_s=1_729_334_940, event_time_ms=1_729_334_999_123, revision=1, is_final=True,
    gaps=0,
)  # fmt: skip

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def reason(value: bytes | None) -> str:
    with pytest.raises(InvalidMessageError) as caught:
        wire.decode_transaction(value)
    return caught.value.reason


def incoming(sent: OutgoingRecord, *, offset: int = 0) -> Record:
    return Record(
        topic=sent.topic,
        partition=sent.partition or 0,
        offset=offset,
        key=sent.key,
        value=sent.value,
        timestamp_ms=sent.timestamp_ms,
        headers=sent.headers,
    )


def test_a_transaction_is_read_and_what_the_features_do_not_need_is_passed_over() -> None:
    rest = {"size": 110, "weight": 437, "rbf": True, "out": [{"value": 7, "n": 0}, {"value": 9}]}
    value = encoded(TRANSACTION | rest | {"inputs": [{"prev_out": None}], "ver": "2"})
    assert wire.decode_transaction(value) == Transaction(
        hash=HASH,
        time=1,
        fee=2,
        size=110,
        weight=437,
        rbf=True,
        out=[Output(value=7), Output(value=9)],
    )


def test_a_transaction_needs_no_more_than_its_hash_time_and_fee() -> None:
    assert wire.decode_transaction(encoded(TRANSACTION)) == Transaction(hash=HASH, time=1, fee=2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 0),
        ("size", "110"),
        ("size", 4_000_001),
        ("weight", -1),
        ("weight", 437.0),
        ("weight", {"a": 1}),
        ("rbf", 1),
        ("rbf", "true"),
        ("out", {}),
        ("out", [7]),
        ("out", [{"value": 7}, {}]),
        ("out", [{"value": None}]),
        ("out", [{"value": -1}]),
        ("out", [{"value": MAX_MONEY_SAT + 1}]),
        ("out", [{"value": 10**30}]),
    ],
)
def test_a_field_of_an_impossible_value_is_unknown_and_the_others_stay(
    field: str, value: object
) -> None:
    rest: dict[str, Any] = {"size": 110, "weight": 437, "rbf": True, "out": [{"value": 7}]}
    known = wire.decode_transaction(encoded(TRANSACTION | rest))
    found = wire.decode_transaction(encoded(TRANSACTION | rest | {field: value}))
    assert found == msgspec.structs.replace(known, **{field: None})


def test_text_that_is_not_utf_8_in_an_impossible_field_does_no_harm() -> None:
    value = b'{"hash":"%s","time":1,"fee":2,"weight":{"a":"\xff"}}' % HASH.encode()
    assert wire.decode_transaction(value) == Transaction(hash=HASH, time=1, fee=2)


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        (b'[{"value":7},{"value":9,"n":1}]', 16),
        (b"[]", 0),
        (b"null", None),
        (b"", None),
        (b"[" * 100_000, None),
        (b'[{"value":"7"}]', None),
        (encoded([{"value": MAX_MONEY_SAT}]), MAX_MONEY_SAT),
        (encoded([{"value": MAX_MONEY_SAT}, {"value": 1}]), None),
    ],
)
def test_the_value_of_outputs_is_their_sum_unless_that_is_impossible(
    out: bytes, expected: int | None
) -> None:
    assert wire.decode_output_value(out) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"<html>429</html>", "not_json"),
        (b"{", "not_json"),
        (b'{"hash":"\xff"}', "not_utf8"),
        (b"null", "not_object"),
        (b"[]", "not_object"),
        (b'{"a":' + b"[" * 100_000, "too_deep"),
        (encoded({"time": 1, "fee": 2}), "missing_hash"),
        (encoded({"hash": HASH, "fee": 2}), "missing_time"),
        (encoded({"hash": HASH, "time": 1}), "missing_fee"),
        (encoded(TRANSACTION | {"hash": "xyz"}), "bad_hash"),
        (encoded(TRANSACTION | {"hash": HASH + "\n"}), "bad_hash"),
        (encoded(TRANSACTION | {"time": 1.5}), "bad_time"),
        (encoded(TRANSACTION | {"time": "1"}), "bad_time"),
        (encoded(TRANSACTION | {"time": -1}), "bad_time"),
        (encoded(TRANSACTION | {"time": 2**63}), "bad_time"),
        (encoded(TRANSACTION | {"fee": -1}), "bad_fee"),
        (encoded(TRANSACTION | {"fee": None}), "bad_fee"),
        (encoded(TRANSACTION | {"fee": MAX_MONEY_SAT + 1}), "bad_fee"),
        (b'{"hash":"%s","time":1,"fee":%s}' % (HASH.encode(), b"9" * 5000), "bad_fee"),
    ],
)
def test_a_hostile_transaction_is_refused_with_a_fixed_reason(
    value: bytes | None, expected: str
) -> None:
    assert reason(value) == expected


@given(value=st.binary() | anything.map(encoded))
def test_bytes_of_any_kind_are_read_or_refused_and_never_crash(value: bytes) -> None:
    for decode in (
        wire.decode_transaction,
        wire.decode_heartbeat,
        wire.decode_update,
        partial(wire.decode_row, features=FEATURES),
    ):
        with pytest.raises(InvalidMessageError) as caught:
            decode(value)
        assert caught.value.detail


@given(
    beat=st.builds(
        Heartbeat,
        poller=st.text(),
        poll_id=st.integers(1, 2**53),
        feed_time_ms=st.integers(0, (YEAR_10000_S - 86_400) * 1000 - 1),
        outcome=st.text(),
        seen=st.integers(0, 100),
        new=st.integers(0, 100),
        gap=st.booleans(),
    )
)
def test_a_heartbeat_is_read_back(beat: Heartbeat) -> None:
    assert wire.decode_heartbeat(wire.encode_heartbeat(beat)) == beat


def test_a_heartbeat_of_a_newer_release_is_read_without_what_it_adds() -> None:
    value = b'{"v":2,"poller":"a","poll_id":1,"feed_time_ms":5,"outcome":"ok","new_field":1}'
    found = wire.decode_heartbeat(value)
    assert (found.v, found.poll_id, found.gap) == (2, 1, False)


@given(
    minutes=st.dictionaries(
        st.integers(0, YEAR_10000_S - 1),
        st.builds(
            Partial,
            states=st.fixed_dictionaries({name: st.integers(0, 2**63) for name in "ab"}),
            late=st.integers(0, 9),
            sketches=st.just({"c": {0: 1, 2047: 2**40}}),
        ),
    )
)
def test_an_update_is_read_back_with_its_minutes(minutes: dict[int, Partial]) -> None:
    update = PartitionUpdate(
        partition=1, partitions=4, feed_time_ms=7, watermark_s=-80, minutes=minutes
    )
    assert wire.decode_update(wire.encode_update(update)) == update


def test_an_update_of_a_release_without_sketches_is_read() -> None:
    value = (
        b'{"partition":1,"partitions":4,"feed_time_ms":7,"watermark_s":0,'
        b'"minutes":{"60":{"states":{"total_nb_trx_1min":1},"late":0}},"v":1}'
    )
    assert wire.decode_update(value).minutes == {60: Partial(states={"total_nb_trx_1min": 1})}


def test_an_empty_heartbeat_or_update_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="not_json"):
        wire.decode_heartbeat(None)
    with pytest.raises(InvalidMessageError, match="not_json"):
        wire.decode_update(None)


@given(
    count=st.integers(0, 2**63 - 1),
    fees=st.integers(0, 2**63 - 1),
    event_time_ms=st.integers(0, 253_402_300_799_999),
)
def test_a_row_is_read_back_exactly(count: int, fees: int, event_time_ms: int) -> None:
    row = declared.row(
        Partial(states={"total_nb_trx_1min": count, "total_fee_1min": fees}, late=count),
        minute_s=60,
        event_time_ms=event_time_ms,
        revision=1,
        is_final=False,
        gaps=0,
    )
    assert wire.decode_row(wire.encode_row(row), features=FEATURES) == row


def test_a_row_says_its_version_first_and_keeps_the_declared_order() -> None:
    assert list(json.loads(wire.encode_row(ROW))) == ["v", *(f.name for f in FEATURES)]


def test_a_feature_of_a_newer_release_is_passed_over() -> None:
    assert (
        wire.decode_row(wire.encode_row(dict(ROW) | {"fee_rate_p50": 1.5}), features=FEATURES)
        == ROW
    )


def test_a_whole_number_is_read_as_the_fractional_it_stands_for() -> None:
    found = wire.decode_row(encoded(dict(ROW) | {"avg_fee_1min": 3}), features=FEATURES)
    assert type(found["avg_fee_1min"]) is float


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"revision": "1"}, "bad_revision"),
        ({"revision": 1.5}, "bad_revision"),
        ({"tx_minute": 1}, "bad_tx_minute"),
        ({"event_time": "now"}, "bad_event_time"),
        ({"event_time": -1}, "bad_event_time"),
        ({"event_time": YEAR_10000_S}, "bad_event_time"),
        ({"event_time": 1e300}, "bad_event_time"),
        ({"revision": True}, "not_object"),
        ({"total_fee_1min": 2**63}, "not_object"),
        ({"avg_fee_1min": 10**400}, "not_object"),
    ],
)
def test_a_row_with_a_wrong_value_is_refused(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        wire.decode_row(encoded(dict(ROW) | change), features=FEATURES)
    assert caught.value.reason == expected


@pytest.mark.parametrize("name", sorted({feature.name for feature in FEATURES} - REQUIRED))
def test_a_row_that_is_older_than_a_feature_is_read_without_it(name: str) -> None:
    row: Row = {key: value for key, value in ROW.items() if key != name}
    assert wire.decode_row(wire.encode_row(row), features=FEATURES) == row


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_row_that_lacks_a_feature_of_every_release_is_refused_and_the_feature_named(
    name: str,
) -> None:
    row: Row = {key: value for key, value in ROW.items() if key != name}
    with pytest.raises(InvalidMessageError, match=f"a row needs the feature {name}") as caught:
        wire.decode_row(wire.encode_row(row), features=FEATURES)
    assert caught.value.reason == f"missing_{name}"


def test_a_tick_carries_nothing_but_the_feeds_clock() -> None:
    sent = wire.tick("raw", 3, 1_729_334_999_123)
    assert (sent.topic, sent.partition, sent.timestamp_ms) == ("raw", 3, 1_729_334_999_123)
    assert sent.size_bytes == 0
    assert wire.is_tick(incoming(sent))


def fetched(value: bytes | None) -> Record:
    headers = () if value is None else (("txf-fetched-at", value),)
    return incoming(wire.tick("raw", 0, 5, headers=headers))


def test_a_record_says_when_its_poll_was_answered() -> None:
    [header] = wire.fetched_at(1_729_334_999_123)
    assert header == ("txf-fetched-at", b"1729334999123")
    assert wire.is_tick(fetched(header[1]))
    assert wire.fetched_at_ms(fetched(header[1])) == 1_729_334_999_123


@pytest.mark.parametrize("value", [None, b"", b"soon", b"-5", b"1.5", "٣".encode(), b"9" * 5000])
def test_a_record_that_says_no_time_of_its_poll_has_none(value: bytes | None) -> None:
    assert wire.fetched_at_ms(fetched(value)) is None


def test_what_is_made_of_several_polls_is_as_old_as_the_oldest() -> None:
    records = [fetched(b"1000"), fetched(None), fetched(b"999"), fetched(b"soon")]
    assert wire.oldest_fetch(records) == (("txf-fetched-at", b"999"),)
    assert wire.oldest_fetch([fetched(None)]) == wire.oldest_fetch([]) == ()


@pytest.mark.parametrize(
    ("key", "headers"),
    [(None, ()), (None, (("other", b"1"),)), (b"key", ((wire.TICK_HEADER, b"1"),))],
)
def test_what_has_a_key_or_lacks_the_header_is_no_tick(
    key: bytes | None, headers: tuple[tuple[str, bytes], ...]
) -> None:
    sent = OutgoingRecord(topic="raw", key=key, value=b"", timestamp_ms=0, headers=headers)
    assert not wire.is_tick(incoming(sent))


def test_a_dead_letter_larger_than_a_record_keeps_size_hash_and_reason() -> None:
    limit = 1_000_000
    value = b"<" * (limit - RECORD_OVERHEAD_BYTES)
    record = Record(topic="raw", partition=2, offset=41, key=b"k", value=value, timestamp_ms=5)
    error = InvalidMessageError("bad_key", "the key must be a hash")
    assert wire.dead_letter(record, error, max_record_bytes=limit).value == value
    larger = replace(record, value=value + b"<")
    sent = wire.dead_letter(larger, error, max_record_bytes=limit)
    assert (sent.key, sent.value) == (b"k", None)
    assert wire.header(sent.headers, wire.REASON_HEADER) == b"bad_key"
    digest = hashlib.sha256(larger.value or b"").hexdigest()
    assert (
        wire.header(sent.headers, "__streams.errors.message")
        == (
            f"{len(value) + 1} bytes, more than a record takes; SHA-256 {digest}; "
            "the key must be a hash"
        ).encode()
    )


def test_a_dead_letter_keeps_every_byte_and_says_where_it_stood_and_why() -> None:
    record = Record(
        topic="raw",
        partition=2,
        offset=41,
        key=b"\xff\x00",
        value=b" \xfe{\n\x00",
        timestamp_ms=5,
        headers=(("traceparent", b"00-1"),),
    )
    sent = wire.dead_letter(record, InvalidMessageError("bad_key", "the key must be a hash"))
    assert sent == OutgoingRecord(
        topic="raw.dlq",
        partition=2,
        key=b"\xff\x00",
        value=b" \xfe{\n\x00",
        timestamp_ms=5,
        headers=(
            ("traceparent", b"00-1"),
            ("txf-reason", b"bad_key"),
            ("__streams.errors.exception", b"InvalidMessageError"),
            ("__streams.errors.message", b"the key must be a hash"),
            ("txf-version", __version__.encode()),
            ("__streams.errors.topic", b"raw"),
            ("__streams.errors.partition", b"2"),
            ("__streams.errors.offset", b"41"),
        ),
    )


def test_of_several_headers_with_one_name_the_last_counts() -> None:
    headers = (("a", b"1"), ("b", b"2"), ("a", b"3"))
    assert wire.header(headers, "a") == b"3"
    assert wire.header(headers, "c") is None


def test_a_dead_letter_does_not_quote_a_huge_value_in_its_headers() -> None:
    with pytest.raises(InvalidMessageError) as caught:
        wire.decode_row(encoded(dict(ROW) | {"revision": "x" * 1_000_000}), FEATURES)
    sentence = wire.header(wire.error_headers(caught.value), "__streams.errors.message")
    assert sentence is not None
    assert sentence.startswith(b"revision must be Integral, got 'xxx")
    assert len(sentence) == wire.MAX_DETAIL_CHARACTERS


def test_a_heartbeat_or_an_update_without_a_date_is_refused() -> None:
    beat = Heartbeat(
        poller="a", poll_id=1, feed_time_ms=(YEAR_10000_S - 86_400) * 1000, outcome="ok"
    )
    with pytest.raises(InvalidMessageError, match="bad_feed_time_ms"):
        wire.decode_heartbeat(wire.encode_heartbeat(beat))
    update = PartitionUpdate(
        partition=0, partitions=1, feed_time_ms=1, watermark_s=1,
        minutes={YEAR_10000_S: EMPTY},
    )  # fmt: skip
    with pytest.raises(InvalidMessageError, match="minutes"):
        wire.decode_update(wire.encode_update(update))
