import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory_sink import tx, tx_hash
from txfeatures.domain import wire
from txfeatures.domain.model import Heartbeat, Record
from txfeatures.domain.topics import MAX_RECORD_BYTES, RECORD_OVERHEAD_BYTES
from txfeatures_poller import logic
from txfeatures_poller.logic import Origin, Recent, Selection, Whole

ORIGIN = Origin(
    source="example.org",
    poller="poller-0",
    poll_id=7,
    feed_time_ms=1_729_334_941_000,
    fetched_at_ms=1_729_334_941_234,
)


def select(*transactions: bytes, known: Sequence[bytes] = ()) -> Selection:
    return logic.select(transactions, frozenset(known))


def reasons(selection: Selection) -> list[str]:
    return [element.error.reason for element in selection.new if element.error is not None]


def test_new_transactions_keep_the_answers_order_and_bytes() -> None:
    selection = select(tx(3), tx(1), tx(2))
    assert [element.value for element in selection.new] == [tx(3), tx(1), tx(2)]
    assert [element.error for element in selection.new] == [None, None, None]


def test_known_transactions_are_left_out_wherever_they_stand() -> None:
    selection = select(tx(1), tx(2), tx(3), known=[tx_hash(1).encode(), tx_hash(3).encode()])
    assert [element.identity for element in selection.new] == [tx_hash(2).encode()]
    assert selection.identities == {tx_hash(n).encode() for n in (1, 2, 3)}


def test_of_a_hash_with_two_fees_in_one_answer_the_first_counts() -> None:
    selection = select(tx(1, fee=5), tx(1, fee=6))
    assert [element.value for element in selection.new] == [tx(1, fee=5)]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (tx(1, hash=...), "missing_hash"),
        (tx(1, fee=...), "missing_fee"),
        (tx(1, time=...), "missing_time"),
        (tx(1, hash="abc"), "bad_hash"),
        (tx(1, hash=5), "bad_hash"),
        (tx(1, fee="1000"), "bad_fee"),
        (tx(1, fee=-1), "bad_fee"),
        (tx(1, fee=2**63), "bad_fee"),
        (tx(1, fee=2**70), "bad_fee"),
        (tx(1, fee=None), "bad_fee"),
        (tx(1, time="now"), "bad_time"),
        (tx(1, time=-1), "bad_time"),
        (b"null", "not_object"),
        (b"17", "not_object"),
        (b'"text"', "not_object"),
        (b"[]", "not_object"),
        (b"", "empty"),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_reason(broken: bytes, reason: str) -> None:
    selection = select(tx(2), broken, tx(3))
    assert reasons(selection) == [reason]
    assert [element.value for element in selection.new] == [tx(2), broken, tx(3)]


@pytest.mark.parametrize("time_s", [0, 253_402_300_799, 2**63 - 1])
def test_a_time_of_any_year_is_left_to_the_aggregator(time_s: int) -> None:
    assert reasons(select(tx(1, time=time_s))) == []


def test_the_same_broken_bytes_are_rejected_once() -> None:
    first = select(tx(1, fee=-1), tx(1, fee=-1))
    again = select(tx(1, fee=-1), known=[element.identity for element in first.new])
    assert reasons(first) == ["bad_fee"]
    assert again.new == []


def test_a_good_version_of_a_broken_transaction_still_counts() -> None:
    broken = select(tx(1, fee=-1))
    good = select(tx(1), known=[element.identity for element in broken.new])
    assert [element.value for element in good.new] == [tx(1)]


def test_what_no_record_can_hold_is_rejected_without_its_bytes() -> None:
    huge = tx(1, script="f" * MAX_RECORD_BYTES)
    [element] = select(huge).new
    assert element.value is None
    assert element.error is not None
    assert element.error.reason == "too_large"
    assert hashlib.sha256(huge).hexdigest() in element.error.detail


def test_the_largest_element_follows_the_setting() -> None:
    limit = 2 * 1024 * 1024
    fits = tx(1, script="f" * (limit - RECORD_OVERHEAD_BYTES - len(tx(1, script=""))))
    for value, error in ((fits, None), (fits + b" ", "too_large")):
        [element] = logic.select([value], frozenset(), max_record_bytes=limit).new
        assert (element.error.reason if element.error else None) == error


@given(st.lists(st.binary() | st.sampled_from([tx(1), tx(2), tx(1, fee=-1)])))
def test_every_element_is_published_or_rejected_once(transactions: list[bytes]) -> None:
    selection = logic.select(transactions, frozenset())
    assert {element.identity for element in selection.new} == selection.identities
    assert len(selection.new) == len(selection.identities) <= len(transactions)


def recent(*items: bytes) -> logic.Recent:
    found = logic.Recent(10)
    found.update(items)
    return found


def test_two_full_answers_that_share_nothing_are_a_gap() -> None:
    assert logic.is_gap(recent(b"a", b"b"), frozenset([b"c", b"d"]))


@pytest.mark.parametrize(
    ("shown", "current"),
    [
        ((b"a", b"b"), frozenset([b"b", b"c"])),
        ((), frozenset([b"c"])),
        ((b"a",), None),
        ((), None),
    ],
)
def test_one_shared_element_or_an_answer_that_is_not_full_is_no_gap(
    shown: tuple[bytes, ...], current: frozenset[bytes] | None
) -> None:
    assert not logic.is_gap(recent(*shown), current)


def test_a_transactions_record_is_keyed_by_hash_and_says_where_it_comes_from() -> None:
    record = logic.record(logic.read(tx(1)), ORIGIN)
    assert (record.topic, record.key, record.value) == ("raw", tx_hash(1).encode(), tx(1))
    assert (record.timestamp_ms, record.partition) == (1_729_334_941_000, None)
    assert dict(record.headers) == {
        "txf-source": b"example.org",
        "txf-poller": b"poller-0",
        "txf-poll-id": b"7",
        "txf-fetched-at": b"1729334941234",
    }


def test_a_rejected_elements_record_holds_its_bytes_and_the_reason() -> None:
    record = logic.record(logic.read(tx(1, fee=-1)), ORIGIN)
    assert (record.topic, record.key, record.value) == ("raw.dlq", None, tx(1, fee=-1))
    assert record.timestamp_ms == 1_729_334_941_000
    assert wire.header(record.headers, wire.REASON_HEADER) == b"bad_fee"
    assert wire.header(record.headers, "txf-source") == b"example.org"


def test_each_partition_gets_a_tick_at_the_feeds_time() -> None:
    ticks = logic.ticks(3, ORIGIN)
    assert [(t.topic, t.partition, t.timestamp_ms) for t in ticks] == [
        ("raw", partition, 1_729_334_941_000) for partition in range(3)
    ]
    assert all(
        wire.is_tick(
            Record(
                topic=t.topic,
                partition=0,
                offset=0,
                key=t.key,
                value=t.value,
                timestamp_ms=t.timestamp_ms,
                headers=t.headers,
            )
        )
        for t in ticks
    )
    assert {wire.header(t.headers, "txf-fetched-at") for t in ticks} == {b"1729334941234"}


def test_a_heartbeat_is_keyed_by_the_pollers_name() -> None:
    heartbeat = Heartbeat(poller="poller-0", poll_id=7, feed_time_ms=5, outcome="ok")
    record = logic.heartbeat_record(heartbeat)
    assert (record.topic, record.key, record.timestamp_ms) == ("feed", b"poller-0", 5)
    assert wire.decode_heartbeat(record.value) == heartbeat


def test_recent_forgets_what_was_added_first() -> None:
    recent = Recent(2)
    recent.update([b"a", b"b", b"c"])
    assert [item in recent for item in (b"a", b"b", b"c")] == [False, True, True]
    assert len(recent) == 2


def test_more_junk_than_the_bound_is_one_dead_letter_for_the_answer() -> None:
    selection = select(tx(1), b"1", b"2", tx(2), b"3")
    whole = Whole.of(b"the answer " * 1000)
    assert logic.bounded(selection, whole, frozenset(), max_rejected=3) is selection
    bounded = logic.bounded(selection, whole, frozenset(), max_rejected=2)
    assert [element.value for element in bounded.new] == [tx(1), tx(2), whole.beginning]
    assert reasons(bounded) == ["too_many_rejected"]
    assert bounded.identities == selection.identities
    letter = bounded.new[-1]
    assert len(whole.beginning) == logic.BEGINNING_BYTES
    assert f"11000 bytes, SHA-256 {whole.sha256.hex()}" in str(letter.error)
    again = logic.bounded(selection, whole, {letter.identity}, max_rejected=2)
    assert [element.value for element in again.new] == [tx(1), tx(2)]
