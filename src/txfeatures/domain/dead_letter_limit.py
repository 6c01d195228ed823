"""The limit on dead letters, which stops a service that can no longer read its topic [pure].

Of the latest records of a partition at most a tenth may become dead letters: more than
``limit`` among the last ``10 * limit`` are too many. A few bad records, however long they
go on, stop nothing, while a run of more than ``limit`` in a row always does, and so does
a topic of which most records are bad. Ticks of the feed's clock don't count as records.

The batch in which the limit is passed is neither published nor committed; every batch
before it is, with its dead letters. The count is kept in memory: a service that is started
again accepts another ``limit`` of them, so a supervisor that restarts it drains a bad topic
slowly, and a person who raises the limit drains it fast.

dedup, aggregator and fs_writer have the limit, for their records stay in Kafka until a
better release reads them. The poller has none: an answer is shown once, so to stop at bad
elements would lose the good ones beside them, and would let a hostile source end the feed.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from txfeatures.domain.errors import FatalError, InvalidMessageError

RECORDS_PER_DEAD_LETTER = 10


class TooManyDeadLettersError(FatalError):
    """A partition's dead letters exceed their limit; a restart alone will not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLimit:
    """The latest dead letters of one partition, held to a limit.

    Attributes:
        topic: Topic of the partition.
        partition: Number of the partition.
        limit: Most dead letters among the last ``10 * limit`` records.
        records: Records counted so far.
        dead: Number of each of the latest dead letters, as counted by ``records``.
    """

    topic: str
    partition: int
    limit: int
    records: int = 0
    dead: tuple[int, ...] = ()

    @property
    def window(self) -> int:
        """Records among which the dead letters are counted."""
        return RECORDS_PER_DEAD_LETTER * self.limit

    def after(self, records: Iterable[tuple[int, InvalidMessageError | None]]) -> Self:
        """Count the partition's next records.

        Args:
            records: Offset of each record, in order, and the error that makes it a dead
                letter or None.

        Raises:
            TooManyDeadLettersError: One of them passes the limit.
        """
        number, dead = self.records, deque(self.dead, maxlen=self.limit)
        for offset, error in records:
            number += 1
            if error is None:
                continue
            if len(dead) == self.limit and number - dead[0] < self.window:
                raise TooManyDeadLettersError(self._message(offset, error))
            dead.append(number)
        recent = tuple(n for n in dead if number + 1 - n < self.window)
        return replace(self, records=number, dead=recent)

    def _message(self, offset: int, error: InvalidMessageError) -> str:
        return (
            f"more than {self.limit} of the last {self.window} records of {self.topic}, partition "
            f"{self.partition}, are dead letters (the latest, at offset {offset}: {error}); "
            "compare this release with the one that wrote them, or raise the dead letter limit, "
            "then start again"
        )
