"""The way of a poll's transactions to the online store, from the spans of the services [pure].

Spans of batches are linked to what they were made of, so the way is followed backwards: from
the first put of a row that is made of the poll, always to the last of the batches it waited for.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

STEPS = (
    ("poller", "selects what is new in the answer"),
    ("poller", "sends it, until `raw` has acknowledged it"),
    ("dedup", "reads it"),
    ("dedup", "removes duplicates"),
    ("dedup", "commits"),
    ("aggregator, stage 1", "reads `deduped`"),
    ("aggregator, stage 1", "folds"),
    ("aggregator, stage 1", "commits"),
    ("aggregator, stage 2", "reads `partials`"),
    ("aggregator, stage 2", "merges"),
    ("aggregator, stage 2", "commits"),
    ("fs_writer", "reads `aggregated`"),
    ("fs_writer", "puts the row, until the store has acknowledged it"),
)
"""The service and what it does, in order; each step begins where the one before it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A span.

    Attributes:
        start_s: Epoch seconds; ``end_s`` as well.
        links: Ids of the spans that it is linked to.
        records: Records of its batch; 0 if it has none.
    """

    service: str
    name: str
    id: bytes
    parent: bytes
    start_s: float
    end_s: float
    links: frozenset[bytes] = frozenset()
    records: int = 0


def durations(spans: Iterable[Seen], *, since_s: float, ticks: int) -> list[list[float]]:
    """Return the seconds of each of ``STEPS``, for each poll that found something.

    Args:
        spans: Those of all services, in any order.
        since_s: Earlier polls are left out, epoch seconds.
        ticks: Records of a poll that found nothing: its ticks.
    """
    traces = _Traces(spans)
    ways = [
        traces.moments(send)
        for send in traces.named["poller", "send raw"]
        if send.start_s >= since_s and send.records > ticks
    ]
    # A read can overtake the acknowledgement of what it reads: the next step begins there.
    return [
        [after - before for before, after in pairwise(accumulate(way, max))] for way in ways if way
    ]


class _Traces:
    """The spans by service and name, and who is linked to whom."""

    def __init__(self, spans: Iterable[Seen]) -> None:
        self.named: Mapping[tuple[str, str], list[Seen]] = defaultdict(list)
        self._linked: Mapping[bytes, list[Seen]] = defaultdict(list)
        for span in sorted(spans, key=lambda span: span.start_s):
            self.named[span.service, span.name].append(span)
            for link in span.links:
                self._linked[link].append(span)

    def moments(self, send: Seen) -> Sequence[float]:
        """Return the ends of the steps after the answer's own; empty if the way has no end yet."""
        fetches = [s for s in self.named["poller", "fetch"] if s.parent == send.parent]
        reads = self._made_of([send], "dedup", "process raw")
        folds = self._made_of([send], "aggregator", "process deduped")
        merges = self._made_of(folds, "aggregator", "process partials")
        puts = self._made_of(merges, "fs_writer", "process aggregated")
        if not fetches or not puts:
            return ()
        put = min(puts, key=lambda span: span.end_s)
        merge = _last(merge for merge in merges if merge.id in put.links)
        fold = _last(fold for fold in folds if fold.id in merge.links)
        if not (before := [read for read in reads if read.end_s <= fold.start_s]):
            return ()
        read = _last(before)
        return (
            fetches[0].end_s,
            send.start_s,
            send.end_s,
            *self._batch(read),
            *self._batch(fold),
            *self._batch(merge),
            put.start_s,
            put.end_s,
        )

    def _batch(self, span: Seen) -> tuple[float, float, float]:
        """Return when a batch was read, worked on, and committed."""
        # A transaction holds all batches that were finished when it began.
        commits = self.named[span.service, "commit"]
        ends = (commit.end_s for commit in commits if commit.start_s >= span.end_s)
        return span.start_s, span.end_s, next(ends, span.end_s)

    def _made_of(self, sources: Iterable[Seen], service: str, name: str) -> list[Seen]:
        found = {span.id: span for source in sources for span in self._linked[source.id]}
        return [span for span in found.values() if (span.service, span.name) == (service, name)]


def _last(spans: Iterable[Seen]) -> Seen:
    return max(spans, key=lambda span: span.end_s)
