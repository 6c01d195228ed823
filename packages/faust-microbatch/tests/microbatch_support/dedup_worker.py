"""A worker for the fault tests: forwards the first record of each key, remembers the key.

Run as a program with its settings as JSON; reports its events on standard output.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from typing import Any

import confluent_kafka
import faust

from faust_microbatch import Config, Sensor, Skip, create_app, own_process


class Reporter(Sensor):
    """One line for each event."""

    def on_read(self, topic: str, records: int, size_bytes: int) -> None:
        report("read", size_bytes=size_bytes)

    def on_commit(self, batches: int, duration_s: float) -> None:
        report("committed", batches=batches)

    def on_abort(self, reason: str) -> None:
        report("aborted", reason=reason)

    def on_rebalance(self, partitions: int, pause_s: float) -> None:
        report("works", partitions=partitions, pause_s=round(pause_s, 3))

    def on_recovery(self, records: int, duration_s: float) -> None:
        report("recovered", records=records, duration_s=round(duration_s, 3))

    def on_skip(self, skip: Skip) -> None:
        report("skipped", records=skip.records, reason=skip.reason)


class SuicidalProducer(confluent_kafka.Producer):
    """Kills its process at a point of its n-th transaction."""

    point = ""
    countdown = 0

    def send_offsets_to_transaction(self, *arguments: Any) -> None:
        if self.point == "after_flush":
            self.flush()
            self._reach()
        super().send_offsets_to_transaction(*arguments)
        if self.point == "after_offsets":
            self._reach()

    def commit_transaction(self, *arguments: Any) -> None:
        super().commit_transaction(*arguments)
        if self.point == "after_commit":
            self._reach()

    def _reach(self) -> None:
        type(self).countdown -= 1
        if self.countdown == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def report(event: str, **fields: object) -> None:
    line = json.dumps({"event": event, **fields}) + "\n"
    os.write(1, line.encode())  # unbuffered: several threads report


def main() -> None:
    settings = json.loads(sys.argv[1])
    logging.basicConfig(level="WARNING")
    if failpoint := settings.pop("failpoint", ""):
        SuicidalProducer.point, _, countdown = failpoint.partition(":")
        SuicidalProducer.countdown = int(countdown)
        confluent_kafka.Producer = SuicidalProducer  # type: ignore[misc]
    source, target = settings.pop("source"), settings.pop("target")
    datadir, pace_s = settings.pop("datadir"), settings.pop("pace_s")
    fail_at = settings.pop("fail_at", None)
    partitions = settings.pop("partitions")
    effects = own_process() if settings.pop("own_process") else None

    app = create_app(Config(**settings), sensor=Reporter(), effects=effects, datadir=datadir)
    seen = app.Table("seen", partitions=partitions)

    @app.agent(app.topic(source))
    async def forward_first(stream: Any) -> None:
        count = 0
        async for batch in stream:
            known = seen.of(batch)
            new = {r.key: r for r in reversed(batch.records) if r.key not in known}
            batch.send(target, list(reversed(new.values())), partition=batch.partition)
            known.put(dict.fromkeys(new, b"1"))
            report("begun")
            await asyncio.sleep(pace_s)
            count += 1
            if count == fail_at:
                raise ValueError("an agent's mistake")

    faust.Worker(
        app, override_logging=False, redirect_stdouts=False, quiet=True
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
