"""The only source of truth: each transaction is on disk before an answer can show it.

A transaction's fee is the first 48 bits of its hash, so a minute's sum of fees is an order-free
hash of its set of transactions: a loss and a double in one minute change it, although they
leave the count as it is.
"""

import hashlib
import json
import random
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from txfeatures.archive.recording import Arrival
from txfeatures_local.source.simulated_tx import tx_index_of

START_S = 1_729_296_000
"""2024-10-19 00:00:00"""
MINUTE_S = 60
YEAR_S = 365 * 86_400
FEE_DIGITS = 12
_FEES_MODULUS = 1 << 64

Kind = Literal["good", "future", "poison"]

_TABLE = """
CREATE TABLE offers (
    number INTEGER PRIMARY KEY, kind TEXT, id TEXT, second INTEGER, minute INTEGER, fee INTEGER,
    shown INTEGER DEFAULT 0
);
CREATE INDEX by_second ON offers (second);
CREATE INDEX by_minute ON offers (minute);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One transaction, or one piece of poison, of a second of the feed."""

    number: int
    kind: Kind
    second: int
    time: int
    body: bytes
    id: str
    """The hash of a transaction; the SHA-256 of poison."""

    @property
    def fee(self) -> int:
        return fee_of(self.id)

    @property
    def minute(self) -> int:
        return self.time - self.time % MINUTE_S


@dataclass(frozen=True, slots=True)
class Total:
    """The transactions of a minute: how many, and the sum of their fees as their set's hash."""

    count: int = 0
    fees: int = 0

    def plus(self, fee: int) -> "Total":
        return Total(self.count + 1, (self.fees + fee) % _FEES_MODULUS)


def fee_of(tx_hash: str) -> int:
    return int(tx_hash[:FEE_DIGITS], 16)


class Ledger:
    """What was offered, and which of it an answer has shown; each step is synced to disk."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_TABLE)

    def write(self, offers: list[Offer]) -> None:
        """Keep offers; returns when they are on disk."""
        rows = [(o.number, o.kind, o.id, o.second, o.minute, o.fee) for o in offers]
        with self._lock:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO offers (number, kind, id, second, minute, fee) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._database.execute("COMMIT")

    def shown(self, second: int) -> None:
        """Note that an answer shows everything up to a second of the feed."""
        with self._lock:
            self._database.execute(
                "UPDATE offers SET shown = 1 WHERE shown = 0 AND second > ? AND second <= ?",
                (second - 10, second),
            )

    def ids(self, kind: Kind, *, shown: bool = True) -> set[str]:
        """Return the ids of a kind."""
        found = self._read("SELECT id FROM offers WHERE kind = ? AND shown = ?", (kind, shown))
        return {row[0] for row in found}

    def shown_in(self, minute: int) -> int:
        """Return how many transactions of a minute were shown."""
        query = "SELECT count(*) FROM offers WHERE kind = 'good' AND shown AND minute = ?"
        return int(next(iter(self._read(query, (minute,))))[0])

    def minutes(self, *, and_also: Set[str] = frozenset()) -> dict[int, Total]:
        """Return the totals of the transactions that were shown, and of those in ``and_also``."""
        totals: dict[int, Total] = defaultdict(Total)
        query = "SELECT minute, fee, id, shown FROM offers WHERE kind = 'good'"
        for minute, fee, tx_hash, shown in self._read(query):
            if shown or tx_hash in and_also:
                totals[minute] = totals[minute].plus(fee)
        return dict(totals)

    def count(self) -> int:
        """Return how many offers there are."""
        return int(next(iter(self._read("SELECT count(*) FROM offers")))[0])

    def close(self) -> None:
        self._database.close()

    def _read(self, query: str, values: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        with self._lock, closing(self._database.execute(query, values)) as cursor:
            yield from cursor


class Load:
    """An endless feed, each second of which is in the ledger before it can be shown."""

    def __init__(self, ledger: Ledger, *, seed: int, per_second: int) -> None:
        self._ledger = ledger
        self._seed = seed
        self._per_second = per_second
        self._number = 0
        self.poison_share = 0.01
        self.future = 0
        """Transactions dated in a year that the next second has."""
        self.ended = threading.Event()

    def arrivals(self) -> Iterator[Arrival]:
        """Yield the feed until ``ended`` is set."""
        draw = random.Random(self._seed)
        second = START_S
        while not self.ended.is_set():
            offers = [self._offer(draw, second) for _ in range(self._per_second)]
            self._ledger.write(offers)
            for offer in offers:
                yield Arrival(
                    arrived_at=second,
                    tx=msgspec.Raw(offer.body),
                    time=offer.time,
                    tx_index=tx_index_of(offer.id),
                    hash=offer.id,
                )
            second += 1

    def _offer(self, draw: random.Random, second: int) -> Offer:
        number, self._number = self._number, self._number + 1
        time = second - draw.randrange(3)
        tx_hash = hashlib.sha256(f"{self._seed}/{number}".encode()).hexdigest()
        kind: Kind = "good"
        if draw.random() < self.poison_share:
            kind = "poison"
            body = poison(draw.randrange(POISONS), tx_hash, time)
            tx_hash = hashlib.sha256(body).hexdigest()
        else:
            if self.future:
                kind, time, self.future = "future", second + YEAR_S, self.future - 1
            body = transaction(tx_hash, time)
        return Offer(number=number, kind=kind, second=second, time=time, body=body, id=tx_hash)


def transaction(tx_hash: str, time: int) -> bytes:
    """Return a transaction's JSON; all of it follows from the hash and the time."""
    fields: Mapping[str, object] = {
        "hash": tx_hash,
        "fee": fee_of(tx_hash),
        "time": time,
        "tx_index": tx_index_of(tx_hash),
        "size": 200 + int(tx_hash[-2:], 16),
        "weight": 4 * (150 + int(tx_hash[-2:], 16)),
        "rbf": tx_hash[-1] < "8",
        "out": [{"n": 0, "value": int(tx_hash[12:23], 16)}],
    }
    return json.dumps(fields, separators=(",", ":")).encode()


POISONS = 4


def poison(kind: int, tx_hash: str, time: int) -> bytes:
    """Return an element of an answer that can't be read, unlike any other."""
    good = transaction(tx_hash, time)
    return (
        good.replace(b'"hash"', b'"hush"'),
        good.replace(b'"fee":', b'"fee":"much","price":'),
        good.replace(tx_hash.encode(), tx_hash[:40].encode()),
        good.replace(tx_hash.encode(), tx_hash[:63].encode() + b"\xff"),
    )[kind]
