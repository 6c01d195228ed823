import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.declared import FEATURES
from tests.unit.txfeatures.dead_letters.letters import HASH, TRANSACTION, from_poller
from txfeatures.dead_letters import replay
from txfeatures.dead_letters.letter import Filter, Letter, mark, marked_offset
from txfeatures.dead_letters.replay import Tally, letters, revivals, send
from txfeatures.domain.errors import FatalError
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.process.clock import ManualClock

ALL = Filter()


class Topic:
    """A partition of a dead letter topic, and the transactions that were committed."""

    def __init__(self, *values: bytes | None) -> None:
        self.records = [from_poller(v, offset=offset) for offset, v in enumerate(values)]
        self.transactions: list[list[OutgoingRecord]] = []

    def read(self) -> list[Record]:
        return list(self.records)

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        self.transactions.append(list(records))
        for sent in records:
            if sent.topic == "raw.dlq":
                assert sent.partition == 2
                empty = from_poller(b"", offset=len(self.records))
                self.records.append(replace(empty, headers=sent.headers))

    def replay(
        self,
        *,
        limit: int | None = None,
        rate: float | None = None,
        stop: threading.Event | None = None,
        clock: ManualClock | None = None,
    ) -> Tally:
        tally = Tally()
        found = revivals(
            letters(self.read, ALL), tally, feed_time_ms=None, limit=limit, features=FEATURES
        )
        send(
            found,
            self.publish,
            rate=rate,
            clock=clock or ManualClock(),
            stop=stop or threading.Event(),
            progress=lambda _: None,
        )
        return tally

    @property
    def sent(self) -> int:
        return sum(r.topic == "raw" for sent in self.transactions for r in sent)


def test_a_record_and_its_mark_are_one_transaction() -> None:
    topic = Topic(TRANSACTION)
    topic.replay()
    [[sent, marked]] = topic.transactions
    assert (sent.topic, sent.key, sent.value) == ("raw", HASH.encode(), TRANSACTION)
    assert marked == mark(topic.records[0], now_ms=1_700_000_000_000)


def test_a_second_replay_sends_nothing() -> None:
    topic = Topic(TRANSACTION, b"{", TRANSACTION)
    assert topic.replay().sent == {"raw": 2}
    again = topic.replay()
    assert (again.sent.total(), again.replayed, again.unreadable) == (0, 2, {"not_json": 1})
    assert topic.sent == 2


def test_marks_are_no_letters() -> None:
    topic = Topic(TRANSACTION, b"{")
    topic.replay()
    found = list(letters(topic.read, ALL))
    assert [(one.record.offset, one.is_replayed) for one in found] == [(0, True), (1, False)]


def test_a_mark_of_another_partition_marks_nothing() -> None:
    other = replace(from_poller(b"", offset=1), partition=0, headers=(("txf-replayed", b"0"),))
    assert marked_offset(other) == 0
    [found] = letters(lambda: [from_poller(TRANSACTION), other], ALL)
    assert not found.is_replayed


def test_a_filter_leaves_the_others_alone() -> None:
    found = letters(Topic(b"{", b"}").read, Filter(partition=2, offset=1))
    assert [one.record.value for one in found] == [b"}"]


def test_limit_counts_what_is_sent() -> None:
    topic = Topic(b"{", TRANSACTION, TRANSACTION, TRANSACTION)
    topic.replay(limit=1)
    assert topic.replay(limit=1).sent == {"raw": 1}
    assert topic.sent == 2


@pytest.mark.parametrize(("rate", "most"), [(None, 500), (7.9, 7), (1000.0, 500)])
def test_transactions_are_bounded_in_number(rate: float | None, most: int) -> None:
    topic = Topic(*[TRANSACTION] * 501)
    topic.replay(rate=rate)
    assert max(len(sent) // 2 for sent in topic.transactions) == most
    assert topic.sent == 501


def test_transactions_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_BYTES", 2 * len(TRANSACTION) + 3 * len(HASH))
    topic = Topic(*[TRANSACTION] * 4)
    topic.replay()
    assert [len(sent) // 2 for sent in topic.transactions] == [2, 2]


def test_the_rate_is_kept() -> None:
    clock, topic = ManualClock(), Topic(*[TRANSACTION] * 10)
    topic.replay(rate=2, clock=clock)
    assert clock.monotonic() == pytest.approx(5)


def test_a_stop_ends_the_work_between_transactions() -> None:
    stop, topic = threading.Event(), Topic(*[TRANSACTION] * 10)

    def publish(records: Sequence[OutgoingRecord]) -> None:
        topic.publish(records)
        stop.set()

    found = revivals(
        letters(topic.read, ALL), Tally(), feed_time_ms=None, limit=None, features=FEATURES
    )
    clock = ManualClock()
    done = send(found, publish, rate=3, clock=clock, stop=stop, progress=lambda _: None)
    assert (done, topic.sent) == (3, 3)


def test_what_a_failed_transaction_held_is_sent_by_the_next_replay() -> None:
    topic = Topic(*[TRANSACTION] * 6)

    def publish(records: Sequence[OutgoingRecord]) -> None:
        if topic.transactions:
            raise FatalError("away")
        topic.publish(records)

    found = revivals(
        letters(topic.read, ALL), Tally(), feed_time_ms=None, limit=None, features=FEATURES
    )
    with pytest.raises(FatalError):
        send(
            found,
            publish,
            rate=2,
            clock=ManualClock(),
            stop=threading.Event(),
            progress=lambda _: None,
        )
    assert topic.sent == 2
    assert topic.replay().sent == {"raw": 4}


def test_the_sentence_has_every_count() -> None:
    tally, record = Tally(), from_poller(TRANSACTION)
    found = [
        Letter(record=record, is_replayed=False),
        Letter(record=record, is_replayed=True),
        Letter(record=from_poller(b"{"), is_replayed=False),
    ]
    assert len(list(revivals(found, tally, feed_time_ms=None, limit=None, features=FEATURES))) == 1
    assert tally.sentence("sent") == (
        "1 to raw sent; 1 had been replayed before; "
        "1 left: this release can't read them (not_json 1)"
    )
    assert Tally().sentence("sent") == "no dead letters sent"
