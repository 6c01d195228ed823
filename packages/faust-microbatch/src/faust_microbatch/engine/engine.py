"""One worker's share of the work: joins the fetcher, the agents and the committer.

It belongs to the event loop; both threads reach it through ``call_soon_threadsafe``, hence
in the order of their calls.
"""

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol

from faust_microbatch.clock import Clock
from faust_microbatch.engine.budget import Budget
from faust_microbatch.engine.clients import Clients
from faust_microbatch.engine.committer import Committer
from faust_microbatch.engine.config import Config
from faust_microbatch.engine.crash import LOOK_S, Crash, CrashedError
from faust_microbatch.engine.effects import ProcessEffects
from faust_microbatch.engine.fetcher import Fetcher
from faust_microbatch.engine.flow import Flow
from faust_microbatch.engine.ownership import Ownership
from faust_microbatch.engine.records import Batch, Partition
from faust_microbatch.engine.recovery import Restoration, restore
from faust_microbatch.engine.sensor import Sensor

TRANSACTION_GRACE_S = 15.0
"""On top of the transaction's own timeout, in which the broker may still decide about it."""

log = logging.getLogger(__name__)


class Host(Protocol):
    """The owner of the agents and their tables."""

    def deliver(self, batch: Batch) -> None:
        """Hand a batch to the agents on its topic."""

    def renew_tables(self, numbers: Iterable[int], kept: set[int]) -> list[Restoration]:
        """Make the stores of ``numbers`` anew and drop all others but those ``kept``."""

    async def on_assigned(self, partitions: set[Partition]) -> None:
        """Prepare for batches of ``partitions`` and of no others."""

    async def on_ready(self, partitions: set[Partition]) -> None:
        """Learn that tables are whole and ``partitions`` are read."""

    async def on_revoked(self, partitions: set[Partition]) -> None:
        """Learn that ``partitions`` are no longer ours; all of their work is committed."""


class Engine:
    """Takes partitions over, keeps their batches going, and gives them back."""

    def __init__(
        self,
        config: Config,
        host: Host,
        *,
        clients: Clients,
        crash: Crash,
        effects: ProcessEffects,
        sensor: Sensor,
        clock: Clock,
    ) -> None:
        self._config = config
        self._clients = clients
        self._effects = effects
        self._host = host
        self._crash = crash
        self._sensor = sensor
        self._clock = clock
        self._budget = Budget(config.max_buffered_bytes)
        self._flow = Flow(self._budget)
        self._ownership = Ownership()
        self._takeover: asyncio.Task[None] | None = None
        self._give_up = threading.Event()
        self._halted_at: float | None = None
        self._busy_s: Callable[[], float] = lambda: 0.0
        self._is_started = False

    async def start(self, topics: Sequence[str]) -> None:
        """Join the group for ``topics``, once former transactions are fenced."""
        config, loop = self._config, asyncio.get_running_loop()
        self._fetcher = Fetcher(
            self._clients.member,
            topics,
            listener=_Threadsafe(self, loop),
            max_records=config.max_poll_records,
            linger_s=config.linger_s,
            budget=self._budget,
            crash=self._crash,
            sensor=self._sensor,
            clock=self._clock,
        )

        def on_committed(batches: Sequence[Batch]) -> None:
            loop.call_soon_threadsafe(self.committed, batches)

        transactional_id = f"{config.group}-{config.instance_id or uuid.uuid4()}"
        self._committer = Committer(
            lambda: self._clients.producer(transactional_id),
            metadata=self._fetcher.metadata,
            on_committed=on_committed,
            is_more_coming=self._flow.is_busy,
            interval_s=config.commit_interval_s,
            crash=self._crash,
            sensor=self._sensor,
            clock=self._clock,
        )
        self._halted_at = self._clock.monotonic()
        self._busy_s = self._committer.busy_s
        if not await self._is_done(self._committer.start()):
            return
        self._fetcher.start()
        self._is_started = True

    async def stop(self) -> None:
        """Finish what was begun, commit it and leave the group; after a crash, commit nothing."""
        if self._is_started:
            await self._halt()
            await asyncio.to_thread(self._fetcher.stop)
            await asyncio.to_thread(self._committer.stop)

    @property
    def partitions(self) -> set[Partition]:
        """The partitions of source topics that are ours."""
        return self._ownership.partitions

    def begin(self, batch: Batch) -> bool:
        """Note that an agent takes a batch; return False if it must pass it over."""
        return self._flow.begin(batch) and not self._crash.happened

    def finish(self, batch: Batch) -> None:
        """Let a batch that every agent has finished be committed."""
        batch.forget_records()
        self._flow.finish(batch)
        if not self._crash.happened:
            self._committer.put(batch)

    def abandon(self, batch: Batch, error: BaseException) -> None:
        """End the worker: an agent left a batch half done, and its tables with it."""
        with suppress(CrashedError):
            self._crash(f"an agent left {batch} unfinished", error)

    def check(self) -> None:
        """End the worker when a transaction hangs: the broker has given it up by then."""
        limit_s = self._config.transaction_timeout_s + TRANSACTION_GRACE_S
        if self._busy_s() > limit_s:
            self._crash(f"a transaction hangs for more than {limit_s:.0f} s")

    # Called for the two threads.

    def read(self, batches: Sequence[Batch]) -> None:
        """Pass batches on to the agents."""
        for batch in batches:
            if self._flow.admit(batch):
                self._host.deliver(batch)

    def committed(self, batches: Sequence[Batch]) -> None:
        """Let go of batches whose transaction is committed."""
        self._ownership.committed(batches)
        for batch in batches:
            self._budget.release(batch.memory_bytes)

    def assigned(self, generation: int, committed: Mapping[Partition, int | None]) -> None:
        """Take partitions over."""
        self._give_up.clear()
        self._takeover = asyncio.create_task(self._take_over(generation, committed))
        self._takeover.add_done_callback(self._on_taken_over)

    async def revoked(self) -> None:
        """Come to rest; afterwards the partitions may be any worker's."""
        await self._halt()
        await self._host.on_revoked(self.partitions)

    # Rebalances.

    async def _halt(self) -> None:
        """Give up recovery, let the agents finish what they have begun, commit that."""
        if self._halted_at is None:
            self._halted_at = self._clock.monotonic()
        self._give_up.set()
        if self._crash.happened:
            return
        if self._takeover is not None:
            await asyncio.wait([self._takeover])
        try:
            await self._flow.halt(self._config.quiesce_timeout_s)
        except TimeoutError as error:
            self._crash(f"agents did not finish {self._flow.unfinished()}", error)
        await self._is_done(self._committer.drain())

    async def _is_done(self, work: Future[None]) -> bool:
        """Wait for the committer; return False if the worker crashes first, as it may hang."""
        waiting = asyncio.wrap_future(work)
        while not (waiting.done() or self._crash.happened):
            await asyncio.wait([waiting], timeout=LOOK_S)
        return waiting.done()

    async def _take_over(self, generation: int, committed: Mapping[Partition, int | None]) -> None:
        """Make the tables of the assigned partitions whole, and read on."""
        assigned = set(committed)
        await self._host.on_assigned(assigned)
        kept = self._ownership.take_over(committed)
        numbers = {number for _, number in assigned}
        restorations = self._host.renew_tables(numbers - kept, kept)
        self._flow.open()
        if restorations:
            self._fetcher.start_reading(generation, {p for p in assigned if p[1] in kept})
            if not await self._restore(restorations):
                return
        self._ownership.restored()
        self._fetcher.start_reading(generation, assigned)
        if self._halted_at is not None:
            pause_s = self._clock.monotonic() - self._halted_at
            self._halted_at = None
            self._sensor.on_rebalance(len(assigned), pause_s)
        await self._host.on_ready(assigned)

    async def _restore(self, restorations: Sequence[Restoration]) -> bool:
        """Fill stores from their changelogs; return False if that was given up."""
        began = self._clock.monotonic()
        records = await asyncio.to_thread(
            restore, restorations, self._clients, give_up=self._give_up
        )
        self._effects.recovered()
        self._sensor.on_recovery(records, self._clock.monotonic() - began)
        return not self._give_up.is_set()

    def _on_taken_over(self, task: asyncio.Task[None]) -> None:
        with self._crash.on_error("partitions can't be taken over"):
            if not task.cancelled():
                task.result()


class _Threadsafe:
    """Passes the fetcher's calls on to the event loop."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop

    def on_batches(self, batches: Sequence[Batch]) -> None:
        self._loop.call_soon_threadsafe(self._engine.read, batches)

    def on_assigned(self, generation: int, committed: Mapping[Partition, int | None]) -> None:
        self._loop.call_soon_threadsafe(self._engine.assigned, generation, committed)

    def on_revoked(self) -> None:
        asyncio.run_coroutine_threadsafe(self._engine.revoked(), self._loop).result()
