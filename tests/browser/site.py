"""The live page on a real port, over rows and a feed's clock that tests move."""

import hashlib
import math
import queue
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from tests.support.declared import DEFAULT
from txfeatures.domain import wire
from txfeatures.domain.errors import TransientError
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import MINUTE_S, Heartbeat, Record, Row
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, run
from txfeatures_api.main import build
from txfeatures_api.server import listen
from txfeatures_api.settings import Settings

FIRST_S = minute_start_s("2031-01-01 00:00:00")
PATIENCE_S = 30.0
LOOK_S = 0.02

STORE_DOWN = "The online store can't be read for now; try again."
"""The api's own words: those of the store are for its log."""


def make_row(number: int, *, revision: int = 60, is_final: bool = True, **more: Any) -> Row:
    """Return a row of the minute ``number`` with values that differ from minute to minute."""
    minute_s = FIRST_S + number * MINUTE_S
    count = more.pop("count", 200 + round(40 * math.sin(number / 9)))
    rate = round(4 + 2 * math.sin(number / 31), 3)
    return {
        "tx_minute": minute_name(minute_s),
        "total_nb_trx_1min": count,
        "total_fee_1min": 1_000 * count,
        "avg_fee_1min": 1_000.0,
        "min_fee_1min": 141,
        "max_fee_1min": 90_000,
        "fee_rate_p10_1min": rate / 2,
        "fee_rate_p50_1min": rate,
        "fee_rate_p90_1min": rate * 3,
        "total_vsize_1min": 220 * count,
        "total_output_value_1min": 31_000_000 * count,
        "rbf_share_1min": 0.75,
        "revision": revision,
        "is_final": int(is_final),
        "nb_late_trx_1min": 0,
        "nb_gaps_1min": 0,
        "event_time": float(minute_s + (121 if is_final else min(revision, 59))),
        **more,
    }


class Offsets:
    """Topics with one partition, of which the aggregator has 31 records to read."""

    def ends(self, topics: Collection[str]) -> dict[str, dict[int, int]]:
        return {topic: {0: 1_000} for topic in topics}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        return {0: 969 if group == "aggregator" else 1_000}


class Feed:
    """A tail of ``feed``: its first poll returns the last heartbeat, as that of a topic does."""

    def __init__(self, feed_time_s: float) -> None:
        self._heartbeats: queue.Queue[Record] = queue.Queue()
        self.beat(feed_time_s)

    def beat(self, feed_time_s: float) -> None:
        self.feed_time_s = feed_time_s
        heartbeat = Heartbeat(
            poller="one", poll_id=1, feed_time_ms=int(feed_time_s * 1000), outcome="ok"
        )
        value = wire.encode_heartbeat(heartbeat)
        self._heartbeats.put(
            Record(topic="feed", partition=0, offset=0, key=None, value=value, timestamp_ms=0)
        )

    def poll(self, timeout_s: float) -> list[Record]:
        try:
            return [self._heartbeats.get(timeout=LOOK_S)]
        except queue.Empty:
            return []


class Site:
    """Rows, the feed's clock, and the api, which can be stopped and started on its port."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._tokens = f"me={hashlib.sha256(token.encode()).hexdigest()}" if token else None
        self.is_store_down = False
        self._port = port
        self._rows: dict[int, Row] = {}
        self._feed = Feed(FIRST_S)
        self._runtime: Runtime | None = None
        self._thread: threading.Thread | None = None

    def put(self, *rows: Row) -> None:
        """Add rows, and move the feed's clock to the newest event time."""
        self._rows |= {minute_start_s(str(row["tx_minute"])): row for row in rows}
        newest_s = max(float(row["event_time"]) for row in rows)
        self.beat(max(self._feed.feed_time_s, newest_s))

    def beat(self, feed_time_s: float) -> None:
        """Move the feed's clock."""
        self._feed.beat(feed_time_s)

    def read(self, minutes: Sequence[int]) -> list[Row]:
        """Return rows as the online store does."""
        if self.is_store_down:
            raise TransientError("a throttled store")
        return [self._rows[each] for each in minutes if each in self._rows]

    def start(self) -> None:
        """Serve; return when the port accepts."""
        self._feed = Feed(self._feed.feed_time_s)
        listener = listen("127.0.0.1", self._port)
        self._runtime = Runtime(metrics=Metrics("api"))
        steps = build(
            Settings(cache_s=0.1, drain_s=0, tokens=self._tokens),
            declaration=DEFAULT,
            store=self,
            tail=self._feed,
            positions=Offsets(),
            listener=listener,
            runtime=self._runtime,
        )

        def serve(runtime: Runtime) -> None:
            with closing(listener):
                run(steps, runtime=runtime)

        self._thread = threading.Thread(target=serve, args=(self._runtime,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; streams end."""
        assert self._runtime is not None
        assert self._thread is not None
        self._runtime.stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@contextmanager
def serving(port: int, *rows: Row, token: str | None = None) -> Iterator[Site]:
    """Serve ``rows`` while the context lasts, to those who know ``token`` if there is one."""
    site = Site(port, token)
    if rows:
        site.put(*rows)
    site.start()
    try:
        yield site
    finally:
        site.stop()
