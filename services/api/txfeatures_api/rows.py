"""The rows that are known: what the store returned, each minute never older than before."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from txfeatures.domain.model import MINUTE_S, Row
from txfeatures.process.clock import Clock
from txfeatures_api.served import ServedRow

REMEMBERED_MINUTES = 10_080
"""A week; some 2 KB each."""

FINAL_S = 3_600.0
"""Seconds for which a final row is served before it is read again. Changes are announced on
``aggregated``; this bounds what a change outside of it costs."""

OPEN_S = 30.0
"""The same of a minute that has no final row."""


UNREAD = "The online store can't be read for now; try again."


class RowStore(Protocol):
    """A store of rows."""

    def read(self, minutes: Sequence[int]) -> list[Row]:
        """Return the rows of those of ``minutes`` that have one, in any order.

        Raises:
            TransientError: The store is unavailable for now.
            FatalError: Refused for good.
        """
        ...


@dataclass(slots=True)
class _Minute:
    row: ServedRow | None
    fresh_until_s: float


class Rows:
    """Rows by minute; neither the latest minute nor a revision goes back.

    Reads of the store are eventually consistent: it may return an older row than before. The
    newer one wins. A minute with a newer revision announced is owed: read again and again until
    the store returns it. Safe to share between threads.

    Args:
        clock: Measures the age of what is known.
        on_news: Called with the rows that are new, oldest minute first.
    """

    def __init__(
        self, *, clock: Clock, on_news: Callable[[Sequence[ServedRow]], None] = lambda _: None
    ) -> None:
        self._clock = clock
        self._on_news = on_news
        self._lock = threading.Lock()
        self._minutes: OrderedDict[int, _Minute] = OrderedDict()
        self._owed: OrderedDict[int, int] = OrderedDict()
        self._latest: dict[bool, ServedRow | None] = {False: None, True: None}
        self._watched_from_s: int | None = None

    def latest(self, *, only_final: bool = False) -> ServedRow | None:
        """Return the newest row, of all or only of the final ones; None if none is known."""
        return self._latest[only_final]

    def known(self, minutes: Iterable[int]) -> list[ServedRow]:
        """Return the known rows of ``minutes``, in their order."""
        with self._lock:
            found = [self._minutes.get(minute_s) for minute_s in minutes]
        return [each.row for each in found if each is not None and each.row is not None]

    def unknown(self, minutes: Iterable[int]) -> list[int]:
        """Return those of ``minutes`` that must be read before they are served."""
        now_s = self._clock.monotonic()
        with self._lock:
            return [
                minute_s
                for minute_s in minutes
                if (known := self._minutes.get(minute_s)) is None or known.fresh_until_s <= now_s
            ]

    def owed(self, most: int) -> list[int]:
        """Return up to ``most`` minutes of which a newer revision was announced."""
        with self._lock:
            chosen = list(self._owed)[:most]
            for minute_s in chosen:
                self._owed.move_to_end(minute_s)  # each has its turn
        return chosen

    def announce(self, minute_s: int, revision: int) -> None:
        """Record that the store gets ``revision`` of a minute, or has it."""
        with self._lock:
            known = self._minutes.get(minute_s)
            if known is not None and known.row is not None and known.row.revision >= revision:
                return
            self._owed[minute_s] = max(revision, self._owed.pop(minute_s, 0))
            if len(self._owed) > REMEMBERED_MINUTES:
                self._minutes.pop(self._owed.popitem(last=False)[0], None)

    def receive(
        self, minutes: Iterable[int], rows: Iterable[Row], *, watched_from_s: int | None = None
    ) -> None:
        """Record an answer of the store.

        Args:
            minutes: The minutes that were read.
            rows: The rows that were returned.
            watched_from_s: The first of the minutes that are read again and again; a row of one
                of them is news also if its minute was not known.
        """
        now_s = self._clock.monotonic()
        news = []
        with self._lock:
            found = {row.minute_s: row for row in map(ServedRow, rows)}
            for minute_s in sorted(minutes):
                row = found.get(minute_s)
                if row is not None and self._is_news(row):
                    news.append(row)
                self._remember(minute_s, row, now_s)
            if watched_from_s is not None:
                self._watched_from_s = watched_from_s
        if news:
            self._on_news(news)

    def _remember(self, minute_s: int, row: ServedRow | None, now_s: float) -> None:
        before = self._minutes.pop(minute_s, None)
        known = None if before is None else before.row
        if known is not None and (row is None or row.revision <= known.revision):
            row = known
        lasting = row is not None and row.is_final
        self._minutes[minute_s] = _Minute(row, now_s + (FINAL_S if lasting else OPEN_S))
        if len(self._minutes) > REMEMBERED_MINUTES:
            self._minutes.popitem(last=False)
        if row is None:
            return
        if row.revision >= self._owed.get(minute_s, row.revision):
            self._owed.pop(minute_s, None)
        for only_final, latest in self._latest.items():
            is_newer = latest is None or (row.minute_s, row.revision) > (
                latest.minute_s,
                latest.revision,
            )
            if is_newer and (row.is_final or not only_final):
                self._latest[only_final] = row

    def _is_news(self, row: ServedRow) -> bool:
        known = self._minutes.get(row.minute_s)
        if known is not None and known.row is not None:
            return row.revision > known.row.revision
        is_watched = self._watched_from_s is not None and row.minute_s >= self._watched_from_s
        return is_watched or row.minute_s in self._owed


def chunks(minutes: Sequence[int], size: int) -> list[range]:
    """Return the aligned blocks of ``size`` minutes that hold ``minutes``."""
    span_s = size * MINUTE_S
    starts = sorted({minute_s // span_s * span_s for minute_s in minutes})
    return [range(start_s, start_s + span_s, MINUTE_S) for start_s in starts]
