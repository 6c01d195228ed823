from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Row
from txfeatures_api import logic

MakeRow = Callable[..., Row]

MINUTE_S = minute_start_s("2024-10-19 10:49:00")
FEED_TIME_MS = (MINUTE_S + 25) * 1000 + 123
LAST_MINUTE_S = minute_start_s("9999-12-31 23:59:00")

minutes = st.integers(0, LAST_MINUTE_S // 60).map(lambda number: number * 60)


@given(minutes)
def test_a_minute_can_be_written_in_three_ways(minute_s: int) -> None:
    name = minute_name(minute_s)
    ways = (name, name.replace(" ", "T") + "Z", str(minute_s))
    assert [logic.parse_minute(way) for way in ways] == [minute_s] * 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latest",
        "2024-10-19",
        "2024-10-19 10:49",
        "2024-10-19 10:49:01",
        "2024-10-19T10:49:01Z",
        "2024-10-19T10:49:00",
        "2024-10-19T10:49:00+00:00",
        "2024-02-30 10:49:00",
        "1729334941",
        "-60",
        "1969-12-31 23:59:00",
        "999999999999",
        "١٧٢٩٣٣٤٩٤٠",
        "0" * 10_000,
    ],
)
def test_what_names_no_minute_is_refused_with_what_is_right(text: str) -> None:
    with pytest.raises(InvalidMessageError, match="write YYYY-MM-DD HH:MM:00"):
        logic.parse_minute(text)


def test_a_page_ends_at_the_present_minute_of_the_feed_by_default() -> None:
    page = logic.page(first_s=None, last_s=None, limit=3, feed_time_ms=FEED_TIME_MS)
    assert page == logic.Page(first_s=MINUTE_S - 120, last_s=MINUTE_S, next_s=None)


def test_a_page_never_starts_before_1970() -> None:
    page = logic.page(first_s=None, last_s=60, limit=1000, feed_time_ms=FEED_TIME_MS)
    assert page.first_s == 0


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="must not be later"):
        logic.page(first_s=60, last_s=0, limit=1, feed_time_ms=FEED_TIME_MS)


def test_a_range_that_starts_in_the_future_is_an_empty_page() -> None:
    page = logic.page(first_s=MINUTE_S + 600, last_s=None, limit=60, feed_time_ms=FEED_TIME_MS)
    assert (list(logic.minutes_between(page.first_s, page.last_s)), page.next_s) == ([], None)


@given(first=st.integers(0, 50), length=st.integers(0, 50), limit=st.integers(1, 20))
def test_following_the_pages_reads_each_minute_of_a_range_once(
    first: int, length: int, limit: int
) -> None:
    first_s, last_s = first * 60, (first + length) * 60
    start_s: int | None = first_s
    read: list[int] = []
    while start_s is not None:
        page = logic.page(first_s=start_s, last_s=last_s, limit=limit, feed_time_ms=0)
        read += logic.minutes_between(page.first_s, page.last_s)
        start_s = page.next_s
    assert read == list(logic.minutes_between(first_s, last_s))


def test_the_window_ends_a_minute_past_the_feeds_clock() -> None:
    window = logic.window(FEED_TIME_MS)
    assert (window[0], window[-1], len(window)) == (MINUTE_S - 540, MINUTE_S + 60, 11)


@given(first=minutes, last=minutes)
def test_a_cursor_is_read_as_it_was_written(first: int, last: int) -> None:
    page = logic.Page(first_s=0, last_s=0, next_s=first)
    cursor = logic.cursor(page, last)
    assert cursor is not None
    assert logic.parse_cursor(cursor) == (first, last)


def test_a_stream_id_is_read_as_it_was_written(make_row: MakeRow) -> None:
    assert logic.parse_event_id(logic.event_id(make_row(revision=7))) == (MINUTE_S, 7)


def test_staleness_is_feed_time_less_event_time_and_never_negative(make_row: MakeRow) -> None:
    row = make_row(known_after_s=20)
    assert logic.staleness_s(row, FEED_TIME_MS) == pytest.approx(5.122)
    assert logic.staleness_s(row, MINUTE_S * 1000) == 0.0


def test_the_feeds_clock_is_written_with_milliseconds() -> None:
    assert logic.as_of(FEED_TIME_MS) == "2024-10-19T10:49:25.123Z"
    assert logic.as_of(MINUTE_S * 1000) == "2024-10-19T10:49:00.000Z"


@pytest.mark.parametrize(
    ("if_none_match", "is_match"),
    [
        ('"2024-10-19T10:49:00Z:3"', True),
        ('W/"2024-10-19T10:49:00Z:3"', True),
        ('"other" , "2024-10-19T10:49:00Z:3"', True),
        ("*", True),
        ('"2024-10-19T10:49:00Z:2"', False),
        ("2024-10-19T10:49:00Z:3", False),
        ("", False),
    ],
)
def test_an_entity_tag_names_minute_and_revision(
    if_none_match: str, is_match: bool, make_row: MakeRow
) -> None:
    tag = logic.etag(make_row(revision=3))
    assert tag == '"2024-10-19T10:49:00Z:3"'
    assert logic.is_match(if_none_match, tag) is is_match
