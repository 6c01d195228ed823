"""A naive oracle of features and first sightings that shares no code with the product."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
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


def verdicts(log: Sequence[Moment], times: Times) -> list[str]:
    """Return for each transaction of a log: on time, counted late, late or future."""
    found = []
    counted: list[tuple[int, int]] = []  # (position, event time)
    for position, moment in enumerate(log):
        if moment.is_tick:
            continue
        clock_s = max(m.feed_ms for m in log[: position + 1]) // 1000
        watermark = max(_watermarks(log[: position + 1], counted, times))
        closes_s = moment.time - moment.time % 60 + 60
        if moment.time > clock_s + times.max_skew_s:
            found.append("future")
        elif watermark - closes_s >= times.allowed_lateness_s:
            found.append("late")
        else:
            found.append("counted late" if watermark >= closes_s else "on time")
            counted.append((position, moment.time))
    return found


def _watermarks(
    log: Sequence[Moment], counted: Sequence[tuple[int, int]], times: Times
) -> Iterable[int]:
    """Yield every value of the watermark over a log, in no order."""
    newest = log[0].feed_ms // 1000 - times.idle_s
    yield newest - times.out_of_orderness_s
    arrivals = dict(counted)
    clock_ms = moved_ms = log[0].feed_ms
    for position, moment in enumerate(log):
        clock_ms = max(clock_ms, moment.feed_ms)
        if clock_ms >= moved_ms + times.idle_s * 1000:
            yield clock_ms // 1000 - times.out_of_orderness_s
        if arrivals.get(position, newest) > newest:
            newest, moved_ms = arrivals[position], clock_ms
            yield newest - times.out_of_orderness_s


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
