import json

from tests.unit.txfeatures.dead_letters.letters import (
    TRANSACTION,
    from_poller,
    from_service,
    waiting,
)
from txfeatures.dead_letters import view
from txfeatures.dead_letters.letter import Letter

OBEYED = b"\x1b[2J\r\x07\xc2\x9b31m\xe2\x80\xae"


def test_a_row_has_the_place_that_show_takes_and_the_beginning() -> None:
    letter = from_service("deduped", TRANSACTION)
    assert view.row(waiting(letter)) == (
        "2024-10-19T00:00:00Z",
        "deduped.dlq",
        "3",
        "5",
        "deduped/3/17",
        "bad_time",
        "101",
        "waiting",
        TRANSACTION.decode()[:48],
    )


def test_columns_are_aligned() -> None:
    assert view.table(("a", "bc"), [("long", "x"), ("y", "")]) == ["a     bc", "long  x", "y"]


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    letter = waiting(from_poller(OBEYED, headers=(("odd\x1b", OBEYED),)))
    for text in (*view.row(letter), *view.details(letter)):
        assert text.isprintable(), text


def test_json_has_numbers_as_numbers_and_the_message() -> None:
    found = json.loads(view.as_json(Letter(record=from_poller(None), is_replayed=True)))
    assert found == {
        "time": "2024-10-19T00:00:00Z",
        "topic": "raw.dlq",
        "partition": 2,
        "offset": 0,
        "from": "p1",
        "reason": "bad_fee",
        "bytes": 0,
        "state": "replayed",
        "beginning": "",
        "message": "what is wrong",
    }


def test_details_have_key_headers_and_the_value_as_text() -> None:
    lines = view.details(waiting(from_service("raw", b"one\n\ttwo\x1b")))
    assert f"{'key':26}  k" in lines
    assert f"{'txf-reason':26}  bad_time" in lines
    assert f"{'__streams.errors.offset':26}  17" in lines
    assert lines[-3:] == ["", "one", "\ttwo·"]
    assert view.details(waiting(from_poller(None)))[-1] == "no value"


def test_a_value_that_is_no_text_is_dumped() -> None:
    assert view.details(waiting(from_poller(b"0123456789abcdef\xff~")))[-2:] == [
        "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef",
        "00000010  ff 7e                                            .~",
    ]


def test_a_time_beyond_all_calendars_is_a_number() -> None:
    assert view.moment(2**62) == f"{2**62} ms"


def test_the_summary_counts_by_topic_and_reason() -> None:
    summary = view.Summary()
    bad, odd = from_poller(b"{"), from_service("deduped", b"{")
    found = [waiting(bad), Letter(record=bad, is_replayed=True), waiting(odd)]
    assert list(summary.count(found)) == found
    assert summary.total == 3
    assert summary.lines() == [
        "topic        reason    waiting  replayed",
        "raw.dlq      bad_fee   1        1",
        "deduped.dlq  bad_time  1        0",
    ]
