"""The rows that a client of the stream has yet to receive [pure]."""

from collections import OrderedDict
from collections.abc import Iterable

from txfeatures_api import logic
from txfeatures_api.served import ServedRow

MOST_MINUTES = logic.RESUMED_MINUTES + 60


class Mailbox:
    """Keeps the newest row of each minute, in the order in which they became known.

    So a client that reads slowly gets fewer rows and never an old one; and its memory is bounded:
    beyond ``MOST_MINUTES`` the row that has waited longest goes.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, ServedRow] = OrderedDict()
        self._sent: OrderedDict[int, int] = OrderedDict()

    def put(self, rows: Iterable[ServedRow]) -> int:
        """Add rows; return how many rows of the client were dropped for newer ones."""
        dropped = 0
        for row in rows:
            waiting = self._waiting.get(row.minute_s)
            newest = self._sent.get(row.minute_s, -1) if waiting is None else waiting.revision
            if row.revision > newest:
                dropped += self._waiting.pop(row.minute_s, None) is not None
                self._waiting[row.minute_s] = row
        while len(self._waiting) > MOST_MINUTES:
            self._waiting.popitem(last=False)
            dropped += 1
        return dropped

    def take(self) -> list[ServedRow]:
        """Return the rows that wait, and regard them as sent."""
        rows = list(self._waiting.values())
        self._waiting.clear()
        for row in rows:
            self._sent.pop(row.minute_s, None)
            self._sent[row.minute_s] = row.revision
        while len(self._sent) > MOST_MINUTES:
            self._sent.popitem(last=False)
        return rows
