"""A naive oracle of features and first sightings that shares no code with the product."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from math import ceil
from typing import Any

from tests.support import oracle


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An entry of one partition's log: a transaction, or a tick of the feed clock.

    ``rest`` has the other fields of its JSON.
    """

    feed_ms: int
    fee: int | None = None
    time: int = 0
    hash: str = ""
    rest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_tick(self) -> bool:
        return self.fee is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The four parameters of the lateness rule, in seconds."""

    out_of_orderness_s: int = 60
    idle_s: int = 20
    max_skew_s: int = 120
    allowed_lateness_s: int = 86_400


@dataclass(slots=True)
class Expected:
    """The expected content of the last revision of a minute."""

    transactions: list[Mapping[str, Any]] = field(default_factory=list)
    late: int = 0

    def differences(self, row: Mapping[str, object]) -> dict[str, tuple[object, object]]:
        """Return feature -> (found, expected) of each wrong feature of a final row."""
        expected = oracle.features(self.transactions)
        expected |= {"nb_late_trx_1min": self.late, "is_final": 1}
        return {
            name: (row[name], value)
            for name, value in expected.items()
            if not oracle.is_close(name, row[name], value)
        }


def stamped(log: Iterable[Moment]) -> list[Moment]:
    """Return a log with the times that dedup gives it.

    A transaction's time is its own, but at least that of each transaction before it, and later
    than any tick before it, by a millisecond for each.
    """
    found: list[Moment] = []
    least_ms = 0
    for moment in log:
        least_ms = max(least_ms, moment.feed_ms)
        found.append(moment if moment.is_tick else replace(moment, feed_ms=least_ms))
        least_ms += moment.is_tick
    return found


def verdicts(log: Sequence[Moment], times: Times) -> list[str]:
    """Return for each transaction of a log: on time, counted late, late or future."""
    found = []
    counted: list[Moment] = []
    for moment in log:
        if moment.is_tick:
            continue
        passed_s = _watermark(counted, ceil(moment.feed_ms / 1000) - 1, times)
        closes_s = moment.time - moment.time % 60 + 60
        if moment.time > moment.feed_ms // 1000 + times.max_skew_s:
            found.append("future")
        elif passed_s - closes_s >= times.allowed_lateness_s:
            found.append("late")
        else:
            found.append("counted late" if passed_s >= closes_s else "on time")
            counted.append(moment)
    return found


def _watermark(counted: Sequence[Moment], second_s: int, times: Times) -> int:
    """Return the watermark at a whole second, from the transactions counted before."""
    found = newest = moved_ms = 0
    for position in range(len(counted) + 1):
        following = counted[position : position + 1]
        until_s = min([second_s, *(ceil(each.feed_ms / 1000) - 1 for each in following)])
        if until_s * 1000 >= moved_ms + times.idle_s * 1000:
            found = max(found, until_s - times.out_of_orderness_s)
        for each in following:
            if each.time > newest:
                newest, moved_ms = each.time, each.feed_ms
                found = max(found, newest - times.out_of_orderness_s)
    return found


def _closes_s(counted: Sequence[Moment], minute_s: int, times: Times) -> int:
    """Return the first whole second at which a partition's watermark has passed a minute."""
    earliest_s = minute_s + 60 + times.out_of_orderness_s
    seconds = [ceil(each.feed_ms / 1000) for each in counted]
    seconds += [earliest_s, *(max(earliest_s, second_s + times.idle_s) for second_s in seconds)]
    return min(
        second_s
        for second_s in seconds
        if _watermark(
            [each for each in counted if each.feed_ms <= second_s * 1000], second_s, times
        )
        >= minute_s + 60
    )


@dataclass(slots=True)
class FinalRow(Expected):
    """A final row or a correction, known at ``second_s``."""

    second_s: int = 0


def final_rows(logs: Sequence[Sequence[Moment]], times: Times) -> dict[int, list[FinalRow]]:
    """Return minute -> its final row and corrections, from the logs of all partitions.

    A minute in which nothing came on time, and no poll is known, has its first when something
    comes.
    """
    counted: list[list[Moment]] = []
    arrivals: dict[int, list[tuple[int, str, Moment]]] = defaultdict(list)
    for log in logs:
        transactions = [moment for moment in log if not moment.is_tick]
        judged = list(zip(transactions, verdicts(log, times), strict=True))
        judged = [(moment, v) for moment, v in judged if v in {"on time", "counted late"}]
        counted.append([moment for moment, _ in judged])
        for moment, verdict in judged:
            known_s = ceil(moment.feed_ms / 1000)
            arrivals[moment.time - moment.time % 60].append((known_s, verdict, moment))
    found: dict[int, list[FinalRow]] = {}
    for minute_s, each in arrivals.items():
        closes_s = max(_closes_s(of_partition, minute_s, times) for of_partition in counted)
        seconds = {max(closes_s, known_s) for known_s, _, _ in each}
        found[minute_s] = [
            FinalRow(
                transactions=[
                    {**m.rest, "fee": m.fee} for known_s, _, m in each if known_s <= second_s
                ],
                late=sum(v == "counted late" for known_s, v, _ in each if known_s <= second_s),
                second_s=second_s,
            )
            for second_s in sorted(seconds)
        ]
    return found


def last_revisions(logs: Iterable[Sequence[Moment]], times: Times) -> dict[int, Expected]:
    """Return minute -> expected last revision, from the logs of all partitions."""
    minutes: dict[int, Expected] = defaultdict(Expected)
    for log in logs:
        transactions = [moment for moment in log if not moment.is_tick]
        for moment, verdict in zip(transactions, verdicts(log, times), strict=True):
            if verdict in {"on time", "counted late"}:
                minute = minutes[moment.time - moment.time % 60]
                minute.transactions.append({**moment.rest, "fee": moment.fee})
                minute.late += verdict == "counted late"
    return dict(minutes)


def first_sightings(sightings: Iterable[tuple[str, int]], remember_ms: int) -> list[bool]:
    """Return for each (hash, log time in ms) whether it is forwarded.

    It is, unless the same hash was forwarded before and is not forgotten: a hash is forgotten
    at the first multiple of an eighth of ``remember_ms`` after it was remembered for that long.
    """
    forwarded: list[tuple[str, int]] = []
    answers = []
    for name, at_ms in sightings:
        before = [t for n, t in forwarded if n == name]
        answers.append(not before or at_ms >= _forgotten(before[-1], remember_ms))
        if answers[-1]:
            forwarded.append((name, at_ms))
    return answers


def _forgotten(seen_ms: int, remember_ms: int) -> int:
    eighths = count(start=0, step=remember_ms // 8)
    return next(at_ms for at_ms in eighths if at_ms > seen_ms + remember_ms)
