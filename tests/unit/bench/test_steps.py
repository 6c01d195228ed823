from dataclasses import replace

import pytest

from bench.steps import STEPS, Seen, durations

TICKS = 4


def span(
    service: str, name: str, start_ms: int, end_ms: int, *links: str, records: int = 0
) -> Seen:
    return Seen(
        service=service,
        name=name,
        id=f"{service} {name} {start_ms}".encode(),
        parent=b"poll" if service == "poller" else b"",
        start_s=start_ms / 1000,
        end_s=end_ms / 1000,
        links=frozenset(link.encode() for link in links),
        records=records,
    )


FETCH = span("poller", "fetch", 0, 1000)
SEND = span("poller", "send raw", 1003, 1010, records=TICKS + 1)
READ = span("dedup", "process raw", 1022, 1024, "poller send raw 1003")
FOLD = span("aggregator", "process deduped", 1060, 1064, "poller send raw 1003")
MERGE = span("aggregator", "process partials", 1100, 1105, "aggregator process deduped 1060")
PUT = span("fs_writer", "process aggregated", 1150, 1157, "aggregator process partials 1100")
COMMITS = [
    span("dedup", "commit", 1025, 1045),
    span("aggregator", "commit", 1065, 1081),
    span("aggregator", "commit", 1106, 1131),
]
WAY = [FETCH, SEND, READ, FOLD, MERGE, PUT, *COMMITS]
STEPS_MS = [3, 7, 12, 2, 21, 15, 4, 17, 19, 5, 26, 19, 7]


def steps_ms(*spans: Seen, since_s: float = 0) -> list[list[int]]:
    ways = durations(spans, since_s=since_s, ticks=TICKS)
    return [[round(1000 * step_s) for step_s in way] for way in ways]


def test_each_step_begins_where_the_one_before_it_ends() -> None:
    assert steps_ms(*WAY) == [STEPS_MS]
    assert len(STEPS_MS) == len(STEPS)
    assert sum(STEPS_MS) == 157


def test_spans_come_in_any_order() -> None:
    assert steps_ms(*reversed(WAY)) == [STEPS_MS]


def test_the_way_is_that_of_the_last_batch_the_row_waited_for() -> None:
    early = span("dedup", "process raw", 1015, 1016, "poller send raw 1003")
    too_late = span("dedup", "process raw", 1061, 1062, "poller send raw 1003")
    also = span("aggregator", "process deduped", 1057, 1058, "poller send raw 1003")
    merge = replace(MERGE, links=MERGE.links | {also.id})
    spans = [early, too_late, also, merge, *(s for s in WAY if s is not MERGE)]
    assert steps_ms(*spans) == [STEPS_MS]


def test_the_first_put_that_holds_the_poll_ends_the_way() -> None:
    later = span("fs_writer", "process aggregated", 2150, 2160, "aggregator process partials 1100")
    assert steps_ms(later, *WAY) == [STEPS_MS]


def test_a_commit_that_had_begun_before_a_batch_was_finished_does_not_hold_it() -> None:
    before = span("dedup", "commit", 1023, 1030)
    other_service = span("aggregator", "commit", 1025, 1026)
    assert steps_ms(before, other_service, *WAY) == [STEPS_MS]


def test_a_read_that_overtakes_an_acknowledgement_shortens_no_other_step() -> None:
    slow = replace(SEND, end_s=1.023)
    [way] = steps_ms(slow, *(s for s in WAY if s is not SEND))
    assert way[:5] == [3, 20, 0, 1, 21]
    assert sum(way) == sum(STEPS_MS)


@pytest.mark.parametrize("missing", [FETCH, READ, FOLD, MERGE, PUT])
def test_a_poll_whose_way_has_a_gap_or_no_end_is_left_out(missing: Seen) -> None:
    assert steps_ms(*(s for s in WAY if s is not missing)) == []


def test_polls_before_the_measurement_or_without_transactions_are_left_out() -> None:
    assert steps_ms(*WAY, since_s=1.004) == []
    nothing = replace(SEND, records=TICKS)
    assert steps_ms(nothing, *(s for s in WAY if s is not SEND)) == []
