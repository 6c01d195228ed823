import threading
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, IsolationLevel, KafkaError, KafkaException, Message

from faust_microbatch import DictStore
from faust_microbatch.engine.clients import Clients
from faust_microbatch.engine.recovery import restore
from faust_microbatch.errors import MicrobatchError
from microbatch_support.apps import CONFIG
from microbatch_support.changelog import CHANGELOG, Changelog, change, end, error
from microbatch_support.fakes import failure


def test_stores_hold_the_last_value_of_each_key_of_their_partition() -> None:
    first, second = DictStore(), DictStore()
    changelog = Changelog(
        [change(0, b"a", b"1"), change(0, b"x", b"9", partition=1), change(1, b"b", b"2")],
        [change(2, b"a", b"3"), end(1, partition=1), change(3, b"b", None), end(4)],
        ends={0: 4, 1: 1},
    )
    assert changelog.restore(first, second) == 5
    assert (first, second) == ({b"a": b"3"}, {b"x": b"9"})
    assert changelog.made.assigned == [
        (CHANGELOG, 0, OFFSET_BEGINNING),
        (CHANGELOG, 1, OFFSET_BEGINNING),
    ]
    assert changelog.made.is_closed


@pytest.mark.parametrize("below", [1, 2, 3])
def test_an_end_below_the_high_watermark_hides_an_open_transaction_and_is_no_end(
    below: int,
) -> None:
    store = DictStore()
    changelog = Changelog(
        [change(0, b"a", b"1"), end(below)],
        [],
        [change(2, b"a", b"2"), end(4)],
        ends={0: 4},
    )
    assert changelog.restore(store) == 2
    assert store == {b"a": b"2"}
    assert set(changelog._admin.levels) == {IsolationLevel.READ_UNCOMMITTED}


def test_an_empty_changelog_ends_at_once() -> None:
    store = DictStore()
    assert Changelog([end(0)], ends={0: 0}).restore(store) == 0
    assert store == {}


def test_a_changelog_that_lost_its_beginning_makes_no_table() -> None:
    store = DictStore()
    changelog = Changelog([change(7, b"a", b"1"), end(8)], ends={0: 8}, beginning=7)
    with pytest.raises(MicrobatchError, match="begins at offset 7"):
        changelog.restore(store)
    assert store == {}


def test_without_tables_no_client_is_made() -> None:
    assert restore([], None, give_up=threading.Event()) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._BAD_MSG,
    ],
)
def test_an_error_that_does_not_pass_is_raised(code: int) -> None:
    changelog = Changelog([change(0, b"a", b"1"), error(code)], ends={0: 1})
    with pytest.raises(KafkaException) as raised:
        changelog.restore(DictStore())
    assert raised.value.args[0].code() == code
    assert changelog.made.is_closed


def test_a_fatal_error_is_raised_whatever_its_code() -> None:
    fatal = KafkaError(KafkaError._TRANSPORT, "gone", True)
    changelog = Changelog(
        [Message(topic=CHANGELOG, partition=0, offset=0, error=fatal), end(1)], ends={0: 1}
    )
    with pytest.raises(KafkaException):
        changelog.restore(DictStore())


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError.NOT_LEADER_FOR_PARTITION])
def test_an_error_that_passes_is_logged_and_reading_goes_on(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = DictStore()
    Changelog([error(code)], [change(0, b"a", b"1"), end(1)], ends={0: 1}).restore(store)
    assert store == {b"a": b"1"}
    assert "a changelog can't be read now" in caplog.text


def test_the_end_is_requested_until_it_is_known() -> None:
    store = DictStore()
    changelog = Changelog(
        [change(0, b"a", b"1"), end(1)],
        ends={0: 1},
        failures=[failure(KafkaError._TIMED_OUT), failure(KafkaError.LEADER_NOT_AVAILABLE)],
    )
    changelog.restore(store)
    assert store == {b"a": b"1"}
    assert len(changelog._admin.levels) == 4  # with that of the beginning


def test_an_end_that_can_not_be_known_is_an_error() -> None:
    refused = failure(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        Changelog(ends={0: 1}, failures=[refused]).restore(DictStore())


def test_a_recovery_is_given_up_in_the_middle() -> None:
    changelog = Changelog(ends={0: 100})

    def read() -> list[Message]:
        changelog.give_up.set()
        return [change(0, b"a", b"1")]

    changelog.script.append(read)
    assert changelog.restore(DictStore()) == 1
    assert changelog.made.is_closed


def test_a_recovery_is_given_up_while_the_end_is_not_known() -> None:
    changelog = Changelog(ends={}, failures=[failure(KafkaError._TIMED_OUT)] * 2)
    changelog.give_up.set()
    assert changelog.restore(DictStore()) == 0


def test_the_reader_is_read_committed_and_reports_the_end_of_a_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("confluent_kafka.Consumer", dict)
    properties: Any = Clients(CONFIG).reader()
    assert properties["isolation.level"] == "read_committed"
    assert properties["enable.partition.eof"] is True
    member: Any = Clients(CONFIG).member()
    assert member["isolation.level"] == "read_committed"
