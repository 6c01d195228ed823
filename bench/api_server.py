"""The api over rows in memory, and a bare FastAPI route, in one process on one core.

Commands come on standard input: ``put REVISION`` writes the newest row, ``reads`` prints the
number of reads of the store, those of whole blocks, which ranges cause, apart from the others.
``arrived REVISION SECONDS`` is printed when a read returns a row.
"""

import os
import sys
import threading
from collections.abc import Collection, Sequence

from fastapi import FastAPI, Response

from txfeatures.domain import wire
from txfeatures.domain.features import EMPTY, default
from txfeatures.domain.model import MINUTE_S, Heartbeat, Record, Row
from txfeatures.process.clock import SystemClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, run
from txfeatures_api.logic import LARGEST_READ_MINUTES
from txfeatures_api.main import build, limits
from txfeatures_api.server import answer, listen
from txfeatures_api.settings import Settings

NOW_S = 1_729_334_940
HISTORY = 2_000
STREAMS = 2_000


class _Store:
    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._rows = {
            NOW_S - MINUTE_S * age: _row(NOW_S - MINUTE_S * age, 1) for age in range(HISTORY)
        }
        self._newest = 1
        self.blocks = self.others = 0

    def put(self, revision: int) -> None:
        self._rows[NOW_S] = _row(NOW_S, revision)

    def read(self, minutes: Sequence[int]) -> list[Row]:
        is_block = len(minutes) == LARGEST_READ_MINUTES  # the others are of a few new minutes
        self.blocks += is_block
        self.others += not is_block
        found = [self._rows[minute_s] for minute_s in minutes if minute_s in self._rows]
        revision = max((int(row["revision"]) for row in found), default=0)
        if revision > self._newest:
            self._newest = revision
            _print(f"arrived {revision} {self._clock.monotonic()}")
        return found


class _Tail:
    def __init__(self, clock: SystemClock, stop: threading.Event) -> None:
        self._clock, self._stop = clock, stop
        self._is_first = True

    def poll(self, timeout_s: float) -> list[Record]:
        if not self._is_first:
            self._clock.wait(self._stop, timeout_s)
            return []
        self._is_first = False
        beat = Heartbeat(poller="one", poll_id=1, feed_time_ms=NOW_S * 1000 + 59_000, outcome="ok")
        value = wire.encode_heartbeat(beat)
        return [Record(topic="feed", partition=0, offset=0, key=None, value=value, timestamp_ms=0)]


class _NoPositions:
    def ends(self, topics: Collection[str]) -> dict[str, dict[int, int]]:
        return {topic: {} for topic in topics}

    def committed(self, group: str, topic: str) -> dict[int, int]:  # noqa: ARG002
        return {}


def _row(minute_s: int, revision: int) -> Row:
    return default().row(
        EMPTY,
        minute_s=minute_s,
        event_time_ms=minute_s * 1000 + 50_000 + revision,
        revision=revision,
        is_final=True,
        gaps=0,
    )


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until standard input ends."""
    os.sched_setaffinity(0, {0})
    runtime = Runtime(metrics=Metrics("api"))
    clock = SystemClock()
    store = _Store(clock)
    settings = Settings(streams=STREAMS, streams_per_client=STREAMS, drain_s=0)
    bare = FastAPI()
    body = b"{}"

    @bare.get("/bare")
    async def route() -> Response:
        return Response(body, media_type="application/json")

    with listen("127.0.0.1", 0) as listener, listen("127.0.0.1", 0) as other:
        tail = _Tail(clock, runtime.stop)
        steps = build(
            settings,
            declaration=default(),
            store=store,
            tail=tail,
            positions=_NoPositions(),
            listener=listener,
            runtime=runtime,
        )
        steps["bare"] = answer(bare, other, limits=limits(settings), drain_s=0, runtime=runtime)
        thread = threading.Thread(target=run, args=(steps,), kwargs={"runtime": runtime})
        thread.start()
        _print(f"ports {listener.getsockname()[1]} {other.getsockname()[1]}")
        for line in sys.stdin:
            command, _, argument = line.strip().partition(" ")
            if command == "put":
                store.put(int(argument))
            elif command == "bare":
                body = bytes.fromhex(argument)
                _print("ok")
            elif command == "reads":
                _print(f"reads {store.blocks} {store.others}")
        runtime.stop.set()
        thread.join()


if __name__ == "__main__":
    main()
