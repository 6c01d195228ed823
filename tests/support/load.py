"""A load for dedup and aggregator, and the truth about it."""

import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

START_S = 1_729_296_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The records to send: ``transactions`` in all, ``per_second`` per second of the feed.

    One in ten is sent twice, one in a hundred is dated up to ten minutes back.
    """

    transactions: int
    per_second: int = 40
    seed: int = 0

    @property
    def polls(self) -> int:
        """Polls of the feed that have transactions."""
        return -(-self.transactions // self.per_second)

    def seconds(self) -> Iterator[tuple[int, list[dict[str, object]]]]:
        """Yield (feed time in s, transactions of its poll)."""
        draw = random.Random(self.seed)
        made = 0
        second = START_S
        recent: list[dict[str, object]] = []
        while made < self.transactions:
            polled = []
            for _ in range(min(self.per_second, self.transactions - made)):
                age = draw.randrange(600) if draw.random() < 0.01 else draw.randrange(3)
                digest = hashlib.sha256(f"{self.seed}/{made}".encode()).hexdigest()
                fee = draw.randrange(10**9)
                polled.append({"hash": digest, "fee": fee, "time": second - age, "pad": "x" * 200})
                made += 1
            recent = (recent + polled)[-100:]
            yield second, polled + draw.sample(recent, len(polled) // 10)
            second += 1

    def truth(self) -> dict[str, tuple[int, int]]:
        """Return minute -> (transactions, sum of fees), with each hash counted once."""
        totals: dict[str, tuple[int, int]] = {}
        seen = set()
        for _, polled in self.seconds():
            for tx in polled:
                if tx["hash"] in seen:
                    continue
                seen.add(tx["hash"])
                moment = int(str(tx["time"]))
                name = time.strftime("%Y-%m-%d %H:%M:00", time.gmtime(moment))
                count, fees = totals.get(name, (0, 0))
                totals[name] = (count + 1, fees + int(str(tx["fee"])))
        return totals
