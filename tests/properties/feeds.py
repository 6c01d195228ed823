"""Generated feeds: polls with transactions of any age, ticks, failures, and a closing run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from hypothesis import strategies as st

from tests.properties.oracle import Moment, Times, stamped
from txfeatures.domain.model import MAX_MONEY_SAT, MAX_WEIGHT, Heartbeat
from txfeatures.domain.rules import Rules

START_S = 1_729_334_970
DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One poll: its entries in the log of each partition, and its heartbeat."""

    logs: Sequence[Sequence[Moment]]
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed from its first poll to the ticks by which the last minute is forgotten."""

    partitions: int
    times: Times
    polls: Sequence[Poll]

    @property
    def rules(self) -> Rules:
        return rules(self.times)

    @property
    def logs(self) -> list[list[Moment]]:
        return [
            [moment for poll in self.polls for moment in poll.logs[partition]]
            for partition in range(self.partitions)
        ]


AGES_S = st.one_of(
    st.integers(-5, 90),
    st.integers(-121, -119),  # at the edge of the skew allowed
    st.integers(90, 400),
    st.integers(DAY_S - 200, DAY_S + 200),
    st.sampled_from([-(10**9), -251_672_965_801, 10**12]),  # in 2056, in the year 9999, at 0
)
STEPS_MS = st.one_of(
    st.integers(0, 1500),
    st.just(1000),
    st.integers(1500, 40_000),
    st.sampled_from([120_000, 2 * DAY_S * 1000]),
)
FEES_SAT = st.one_of(st.integers(0, 2**40), st.integers(0, 10_000), st.just(MAX_MONEY_SAT))
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [-1, 0, MAX_WEIGHT, MAX_WEIGHT + 1, 2**63, 2**64, 10**30, 1.0, 1.5, "7", [], {}]
    ),
)
SIZES = st.one_of(st.integers(1, 2_000), st.integers(1, MAX_WEIGHT), HOSTILE)
VALUES_SAT = st.one_of(st.integers(0, 10**9), st.just(MAX_MONEY_SAT), HOSTILE)
OUTPUTS = st.fixed_dictionaries({}, optional={"value": VALUES_SAT, "script": st.just("6a")})
RESTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "size": SIZES,
        "weight": SIZES,
        "rbf": st.one_of(st.just(value=True), HOSTILE),
        "out": st.one_of(
            st.lists(st.fixed_dictionaries({"value": st.integers(0, 10**9)}), max_size=3),
            st.lists(OUTPUTS, max_size=3),
            HOSTILE,
        ),
    },
)
"""Other fields of a transaction's JSON: mostly valid values, and some hostile ones."""

OUTCOMES = st.sampled_from(["ok", "ok", "gap", "timeout"])


@st.composite
def feeds(draw: st.DrawFn, *, lateness_s: Sequence[int] = (0, 200, DAY_S)) -> Feed:
    partitions = draw(st.integers(1, 3))
    times = Times(allowed_lateness_s=draw(st.sampled_from(lateness_s)))
    transactions = st.lists(
        st.tuples(st.integers(0, partitions - 1), AGES_S, FEES_SAT, RESTS), max_size=5
    )
    drawn = st.tuples(STEPS_MS, transactions, st.integers(0, 3), OUTCOMES)
    at_ms = START_S * 1000 + draw(st.integers(0, 999))
    polls: list[Poll] = []
    for step_ms, found, ticks, outcome in draw(st.lists(drawn, min_size=1, max_size=10)):
        at_ms += step_ms
        logs: list[list[Moment]] = [[] for _ in range(partitions)]
        for index, (partition, age_s, fee, rest) in enumerate(found):
            name = f"{100 * len(polls) + index:064x}"
            time = max(0, at_ms // 1000 - age_s)
            logs[partition].append(Moment(feed_ms=at_ms, fee=fee, time=time, hash=name, rest=rest))
        if ticks:  # a poller may crash before it sends them
            for log in logs:
                log.append(Moment(feed_ms=at_ms))
        polls.append(Poll(logs=logs, heartbeat=heartbeat(len(polls), at_ms, outcome)))
    polls += closing(at_ms, partitions, times)
    return Feed(partitions=partitions, times=times, polls=as_deduped(polls, partitions))


def as_deduped(polls: Sequence[Poll], partitions: int) -> list[Poll]:
    """Return the polls with the times that dedup gives to their transactions."""
    logs = [
        iter(stamped(moment for poll in polls for moment in poll.logs[partition]))
        for partition in range(partitions)
    ]
    return [
        replace(
            poll,
            logs=[
                list(islice(log, len(of_poll)))
                for log, of_poll in zip(logs, poll.logs, strict=True)
            ],
        )
        for poll in polls
    ]


def closing(at_ms: int, partitions: int, times: Times) -> list[Poll]:
    """Return failed polls that advance the feed clock until all minutes are forgotten."""
    polls = []
    for step_s in (1, 30, 60, 60, 60, times.allowed_lateness_s, 60, 60, 60):
        at_ms += step_s * 1000
        logs = [[Moment(feed_ms=at_ms)] for _ in range(partitions)]
        polls.append(Poll(logs=logs, heartbeat=heartbeat(0, at_ms, "timeout")))
    return polls


def heartbeat(number: int, at_ms: int, outcome: str) -> Heartbeat:
    return Heartbeat(
        poller="a",
        poll_id=number,
        feed_time_ms=at_ms,
        outcome="timeout" if outcome == "timeout" else "ok",
        gap=outcome == "gap",
    )


def rules(times: Times) -> Rules:
    return Rules(
        out_of_orderness_s=times.out_of_orderness_s,
        idle_s=times.idle_s,
        max_skew_s=times.max_skew_s,
        allowed_lateness_s=times.allowed_lateness_s,
    )
