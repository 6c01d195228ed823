"""A source and its pollers, as their promise allows: repeats, gaps in ticks, clocks that differ."""

import json
from hashlib import sha256
from typing import Any

from tests.simulation.broker import Crashed, Entry
from tests.simulation.world import PARTITIONS, START_S, World
from txfeatures.domain import topics as names
from txfeatures.domain import wire
from txfeatures.domain.model import Heartbeat

NEWEST = 8
"""Transactions that an answer shows."""


class Pollers:
    """Two pollers on one source; each publishes what it has not published before."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._feed_ms = START_S * 1000
        self._shown: list[str] = []
        self._published: dict[str, set[str]] = {"a": set(), "b": set()}
        self._polls = 0

    def poll(self) -> None:
        """Let time pass, and one of the pollers poll."""
        random = self._world.random
        self._feed_ms += random.choice((200, 1000, 1000, 3000, 15_000, 40_000))
        for _ in range(random.choice((0, 1, 2, 3))):
            self._arrive()
        name = random.choice("ab")
        if random.random() < 0.05:  # a restart forgets what was published
            self._published[name].clear()
        self._publish(name, self._feed_ms - random.choice((0, 0, 700)))

    def close(self) -> None:
        """Let the feed's clock run on until every minute is final."""
        for step_ms in (30_000, 61_000, 61_000, 61_000, 1000):
            self._feed_ms += step_ms
            for name in "ab":
                self._publish(name, self._feed_ms)

    def _arrive(self) -> None:
        random, ledger = self._world.random, self._world.ledger
        number = len(ledger)
        transaction: dict[str, Any] = {
            "hash": sha256(b"%d" % number).hexdigest(),
            "time": self._feed_ms // 1000 - random.choice((0, 0, 1, 2, 10, 30, 90)),
            "fee": 1 << (number % 50),
            "weight": random.choice((400, 561, 900)),
        }
        ledger[transaction["hash"]] = transaction
        self._shown.append(transaction["hash"])

    def _publish(self, name: str, feed_ms: int) -> None:
        self._polls += 1
        strike = self._world.fault(f"poller {name}")
        try:
            for hash_ in self._shown[-NEWEST:]:
                if hash_ not in self._published[name]:
                    strike("publish")
                    value = json.dumps(self._world.ledger[hash_]).encode()
                    self._send(names.RAW, hash_.encode(), value, feed_ms)
                    self._published[name].add(hash_)
            for number in range(PARTITIONS):
                strike("tick")
                tick = wire.tick(names.RAW, number, feed_ms)
                entry = Entry(None, tick.value, feed_ms, tick.headers)
                self._world.broker.append((names.RAW, number), entry)
            strike("heartbeat")
            heartbeat = Heartbeat(
                poller=name, poll_id=self._polls, feed_time_ms=feed_ms, outcome="ok"
            )
            self._send(names.FEED, name.encode(), wire.encode_heartbeat(heartbeat), feed_ms)
        except Crashed:
            self._published[name].clear()

    def _send(self, topic: str, key: bytes, value: bytes, feed_ms: int) -> None:
        broker = self._world.broker
        broker.append(broker.partition_of(topic, key, -1), Entry(key, value, feed_ms))
