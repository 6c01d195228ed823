"""Positions in the stream of rows, and their order."""

import re
from dataclasses import dataclass
from typing import Self

from txfeatures.client.errors import FeaturesError

_ID = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})Z/(\d{1,18})")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A revision of a minute; positions are ordered by minute, then by revision.

    Attributes:
        tx_minute: The minute, ``YYYY-MM-DD HH:MM:SS``, UTC.
        revision: Number of its row, from 1.
    """

    tx_minute: str
    revision: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the position written ``2026-01-02T03:04:00Z/5``.

        Raises:
            FeaturesError: It is written otherwise.
        """
        found = _ID.fullmatch(text)
        if found is None:
            raise FeaturesError(
                f"{text!r} is no position; give the `id` of a row, such as 2026-01-02T03:04:00Z/5"
            )
        date, time, revision = found.groups()
        return cls(f"{date} {time}", int(revision))

    def __str__(self) -> str:
        return f"{self.tx_minute.replace(' ', 'T')}Z/{self.revision}"
