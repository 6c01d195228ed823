from collections.abc import Sequence
from itertools import groupby, pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.drive import Folding, Merging, batches, one_by_one, record
from tests.properties.feeds import DAY_S, Feed, feeds
from tests.properties.oracle import Expected, final_rows, last_revisions, verdicts
from txfeatures.domain.features import minute_start_s
from txfeatures.domain.model import Heartbeat, PartitionUpdate, Row
from txfeatures_aggregator.merge import MergedRow

Message = PartitionUpdate | Heartbeat

thorough = settings(max_examples=100, deadline=None, print_blob=True)
randoms = st.randoms(use_true_random=False)
fractions = st.floats(0, 1)


def folded(feed: Feed, random: Random | None = None) -> list[Folding]:
    """Return the first stage of each partition after the whole feed."""
    stages = []
    for partition, log in enumerate(feed.logs):
        stage = Folding(partition=partition, partitions=feed.partitions, rules=feed.rules)
        records = [record(moment, partition=partition) for moment in log]
        for batch in batches(records, random) if random else one_by_one(records):
            stage.take(batch)
        stages.append(stage)
    return stages


def merged(feed: Feed, messages: Sequence[Message], random: Random | None = None) -> Merging:
    stage = Merging(rules=feed.rules)
    for batch in batches(messages, random) if random else one_by_one(messages):
        stage.take(batch)
    return stage


def interleaved(lanes: Sequence[Sequence[Message]], random: Random) -> list[Message]:
    """Return the messages of all lanes in a random order that keeps the order of each lane."""
    rest = [list(reversed(lane)) for lane in lanes if lane]
    found = []
    while rest:
        lane = random.choice(rest)
        found.append(lane.pop())
        rest = [lane for lane in rest if lane]
    return found


def everything(feed: Feed, random: Random) -> list[Message]:
    """Return all updates and heartbeats in a random order that Kafka may deliver."""
    heartbeats = [poll.heartbeat for poll in feed.polls]
    return interleaved([*(stage.updates for stage in folded(feed)), heartbeats], random)


def poll_by_poll(feed: Feed, random: Random) -> list[Message]:
    """Return each poll's updates in a random order, then its heartbeat, as without disturbance."""
    stages = [
        Folding(partition=partition, partitions=feed.partitions, rules=feed.rules)
        for partition in range(feed.partitions)
    ]
    messages: list[Message] = []
    for poll in feed.polls:
        lanes = [
            stage.take([record(moment, partition=stage.partition) for moment in log]).updates
            for stage, log in zip(stages, poll.logs, strict=True)
        ]
        messages += [*interleaved(lanes, random), poll.heartbeat]
    return messages


def histories(rows: Sequence[MergedRow]) -> dict[int, list[MergedRow]]:
    """Return minute -> its revisions, in the order of publication."""
    by_minute = sorted(rows, key=lambda merged: str(merged.row["tx_minute"]))
    return {
        minute_start_s(str(name)): list(history)
        for name, history in groupby(by_minute, key=lambda merged: merged.row["tx_minute"])
    }


def last_rows(found: dict[int, list[MergedRow]]) -> dict[int, Row]:
    """Return the last rows of all minutes with transactions."""
    last = {minute_s: history[-1].row for minute_s, history in found.items()}
    return {m: row for m, row in last.items() if row["total_nb_trx_1min"]}


def assert_equal_to_the_oracle(rows: Sequence[MergedRow], feed: Feed) -> None:
    expected = last_revisions(feed.logs, feed.times)
    found = last_rows(histories(rows))
    assert found.keys() == expected.keys()
    assert {m: expected[m].differences(row) for m, row in found.items()} == {m: {} for m in found}


@thorough
@given(feed=feeds(), random=randoms)
def test_the_last_revision_of_every_minute_equals_the_oracle(feed: Feed, random: Random) -> None:
    stage = merged(feed, everything(feed, random), random)
    assert_equal_to_the_oracle(stage.rows, feed)


@thorough
@given(feed=feeds(), random=randoms)
def test_final_rows_and_corrections_are_those_of_the_oracle_and_known_when_it_says(
    feed: Feed, random: Random
) -> None:
    messages = interleaved([stage.updates for stage in folded(feed)], random)
    found = {
        minute_s: [each.row for each in history if each.kind != "provisional"]
        for minute_s, history in histories(merged(feed, messages, random).rows).items()
    }
    expected = final_rows(feed.logs, feed.times)
    assert {m: [row["event_time"] for row in rows] for m, rows in found.items()} == {
        m: [row.second_s for row in rows] for m, rows in expected.items()
    }
    for minute_s, rows in found.items():
        for row, wanted in zip(rows, expected[minute_s], strict=True):
            assert wanted.differences(row) == {}


@thorough
@given(feed=feeds(lateness_s=(200, DAY_S)), random=randoms)
def test_a_minute_without_transactions_gets_zeros_if_and_only_if_the_feed_was_alive(
    feed: Feed, random: Random
) -> None:
    found = histories(merged(feed, poll_by_poll(feed, random), random).rows)
    alive = {
        poll.heartbeat.feed_time_ms // 60_000 * 60
        for poll in feed.polls
        if poll.heartbeat.outcome == "ok"
    }
    expected = last_revisions(feed.logs, feed.times)
    assert found.keys() == alive | expected.keys()
    for minute_s in alive - expected.keys():
        for revision in found[minute_s]:
            assert Expected().differences(revision.row) == {}


@thorough
@given(feed=feeds(lateness_s=(200, DAY_S)), random=randoms)
def test_every_gap_is_marked_once_on_its_minute(feed: Feed, random: Random) -> None:
    found = histories(merged(feed, poll_by_poll(feed, random), random).rows)
    gaps = dict.fromkeys(found, 0)
    for poll in feed.polls:
        if poll.heartbeat.gap:
            gaps[poll.heartbeat.feed_time_ms // 60_000 * 60] += 1
    assert {m: history[-1].row["nb_gaps_1min"] for m, history in found.items()} == gaps


@thorough
@given(feed=feeds(), random=randoms)
def test_revisions_are_gapless_their_event_times_rise_and_nothing_follows_final_but_corrections(
    feed: Feed, random: Random
) -> None:
    for history in histories(merged(feed, everything(feed, random)).rows).values():
        assert [row.row["revision"] for row in history] == [*range(1, len(history) + 1)]
        times = [float(row.row["event_time"]) for row in history]
        assert all(earlier < later for earlier, later in pairwise(times))
        kinds = [row.kind for row in history]
        before, after = kinds[: kinds.index("final")], kinds[kinds.index("final") + 1 :]
        assert set(before) <= {"provisional"}
        assert set(after) <= {"correction"}
        assert [row.row["is_final"] for row in history] == [0] * len(before) + [1] * (
            1 + len(after)
        )


@thorough
@given(feed=feeds(), random=randoms)
def test_a_final_row_holds_everything_that_came_on_time(feed: Feed, random: Random) -> None:
    lanes = [stage.updates for stage in folded(feed)]
    on_time: dict[int, int] = {}
    for log in feed.logs:
        transactions = [moment for moment in log if not moment.is_tick]
        for moment, verdict in zip(transactions, verdicts(log, feed.times), strict=True):
            minute_s = moment.time // 60 * 60
            on_time[minute_s] = on_time.get(minute_s, 0) + (verdict == "on time")
    rows = merged(feed, interleaved(lanes, random)).rows
    for minute_s, history in histories(rows).items():
        for row in history:
            if row.row["is_final"]:
                count, late = row.row["total_nb_trx_1min"], row.row["nb_late_trx_1min"]
                assert int(count) - int(late) == on_time[minute_s]


@thorough
@given(feed=feeds(), random=randoms)
def test_what_does_not_count_is_set_aside_with_its_reason(feed: Feed, random: Random) -> None:
    for stage, log in zip(folded(feed, random), feed.logs, strict=True):
        uncounted = [reason for _, reason in stage.uncounted]
        assert uncounted == [v for v in verdicts(log, feed.times) if v in {"late", "future"}]


@thorough
@given(feed=feeds(), random=randoms)
def test_the_sizes_of_batches_do_not_show_in_any_output(feed: Feed, random: Random) -> None:
    singly, in_batches = folded(feed), folded(feed, random)
    assert [s.updates for s in singly] == [s.updates for s in in_batches]
    assert [(s.progress, s.partials, s.uncounted) for s in singly] == [
        (s.progress, s.partials, s.uncounted) for s in in_batches
    ]
    messages = everything(feed, random)
    one, many = merged(feed, messages), merged(feed, messages, random)
    assert one.rows == many.rows
    assert (one.frontier, one.minutes) == (many.frontier, many.minutes)


@thorough
@given(feed=feeds(), random=randoms)
def test_a_watermark_never_falls(feed: Feed, random: Random) -> None:
    stages = folded(feed)
    for stage in stages:
        watermarks = [update.watermark_s for update in stage.updates]
        assert watermarks == sorted(watermarks)
    merging = Merging(rules=feed.rules)
    before = 0
    for message in interleaved([stage.updates for stage in stages], random):
        merging.take([message])
        assert merging.frontier.watermark_s >= before
        before = merging.frontier.watermark_s


@thorough
@given(feed=feeds(), random=randoms)
def test_nothing_older_than_the_allowed_lateness_is_remembered(feed: Feed, random: Random) -> None:
    merging = merged(feed, everything(feed, random), random)
    assert [stage.partials for stage in folded(feed, random)] == [{}] * feed.partitions
    assert merging.minutes == {}
    assert merging.frontier.open == frozenset()


@thorough
@given(feed=feeds(), random=randoms)
def test_reading_each_message_twice_changes_nothing(feed: Feed, random: Random) -> None:
    messages = everything(feed, random)
    twice = [message for message in messages for _ in range(2)]
    assert merged(feed, twice, random).rows == merged(feed, messages).rows


@thorough
@given(feed=feeds(), random=randoms, cuts=st.tuples(fractions, fractions))
def test_reading_again_from_an_earlier_offset_ends_with_the_same_totals(
    feed: Feed, random: Random, cuts: tuple[float, float]
) -> None:
    messages = everything(feed, random)
    back_to, stopped_at = sorted(int(cut * len(messages)) for cut in cuts)
    stage = merged(feed, messages[:stopped_at] + messages[back_to:], random)
    assert_equal_to_the_oracle(stage.rows, feed)
