"""A worker of dedup or the aggregator: its Faust app and the real engine, one step at a time.

Three seams differ from production. The engine's two threads are steps that the scheduler takes;
work that the engine would hand to another thread is done at once; and the end of the process is
noted rather than carried out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from selectors import SelectSelector
from typing import Any, cast
from unittest.mock import patch

import faust
from faust.types import AgentT
from faust_microbatch import ProcessEffects, Sensor
from faust_microbatch.engine import engine as engine_module
from faust_microbatch.engine.committer import Committer
from faust_microbatch.engine.crash import Crash
from faust_microbatch.engine.engine import Engine
from faust_microbatch.engine.fetcher import Fetcher
from faust_microbatch.engine.records import Batch, Partition

from tests.simulation.broker import Crashed
from tests.simulation.clients import Clients
from tests.simulation.writer import encode
from txfeatures.process.clock import ManualClock
from txfeatures_fs_writer import archive_step

TURNS = 4
"""Turns of the event loop in one step."""


class SteppedFetcher(Fetcher):
    """A fetcher without a thread."""

    def start(self) -> None:
        """Join the group."""
        self._consumer = self._make_consumer()
        self._consumer.subscribe(
            list(self._topics),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def step(self) -> None:
        """Do one turn of the thread's loop."""
        with self._crash.on_error("the fetcher failed"):
            self._step()

    def stop(self) -> None:
        """Do nothing: `Worker.stop` lets it leave when the event loop stands still."""

    def leave(self) -> None:
        """Leave the group."""
        with self._crash.on_error("the fetcher failed"):
            self._consumer.close()


class SteppedCommitter(Committer):
    """A committer without a thread."""

    def start(self) -> Future[None]:
        """Fence former transactions."""
        with self._crash.on_error("the committer failed"):
            self._producer = self._make_producer()
            self._retry(self._producer.init_transactions)
            self._ready.set_result(None)
        return self._ready

    def step(self) -> None:
        """Commit what waits."""
        with self._crash.on_error("the committer failed"):
            while not self._inbox.empty():
                self._work()

    def drain(self) -> Future[None]:
        """Commit what was put before."""
        drained = super().drain()
        self.step()
        return drained

    def stop(self) -> None:
        """Commit what was put before."""
        self.step()


class _Listener:
    """Passes the fetcher's calls on to the event loop, which stands still meanwhile."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop

    def on_batches(self, batches: Sequence[Batch]) -> None:
        self._loop.call_soon(self._engine.read, batches)

    def on_assigned(self, generation: int, committed: Mapping[Partition, int | None]) -> None:
        self._loop.call_soon(self._engine.assigned, generation, committed)

    def on_revoked(self) -> None:
        self._loop.run_until_complete(self._engine.revoked())


@contextmanager
def stepped() -> Iterator[None]:
    """Let engines that are started meanwhile be stepped."""

    async def at_once(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return work(*arguments, **options)

    with (
        patch.object(engine_module, "Fetcher", SteppedFetcher),
        patch.object(engine_module, "Committer", SteppedCommitter),
        patch.object(engine_module, "_Threadsafe", _Listener),
        patch.object(engine_module, "LOOK_S", 0.0),
        patch.object(asyncio, "to_thread", at_once),
        patch.object(archive_step, "encode", encode),
    ):
        yield


class NoFiles(SelectSelector):
    """Looks for nothing: only the scheduler wakes the event loop."""

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return at once."""
        return []


class Seat:
    """An app and its event loop, for one worker after another: apps are slow to make."""

    def __init__(self, make: Callable[[], faust.App]) -> None:
        self.app: Any = make()
        self.loop = asyncio.SelectorEventLoop(NoFiles())
        self.loop.set_task_factory(self._create_task)
        self._tasks: list[asyncio.Task[Any]] = []
        self.run(self._finalize())

    async def _finalize(self) -> None:
        self.app.finalize()
        self.consumer: Any = self.app.consumer  # made in the loop, which it looks for
        self.app.flow_control.resume()

    def _create_task(self, loop: Any, work: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **options)
        self._tasks.append(task)
        return task

    def run(self, work: Awaitable[Any]) -> Any:
        """Run the loop until ``work`` is done."""
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        """Close the event loop."""
        self.clear()
        self.run(self.loop.shutdown_asyncgens())
        self.loop.close()

    def clear(self) -> None:
        """Cancel all tasks, and forget the queues of their agents."""
        tasks, self._tasks = [task for task in self._tasks if not task.done()], []
        for task in tasks:
            task.cancel()
        if tasks:
            self.run(asyncio.wait(tasks))
        self._tasks.clear()
        self.app.flow_control._queues.clear()


class Worker:
    """One life of a worker, from its start to its end.

    Args:
        seat: The app, which no other living worker has.
        topics: The topics that its agents read.
        clients: Its clients.
        instance_id: Its name, if it keeps one.
        clock: The virtual clock.
        note: Called with the reason for which it ends itself.
    """

    def __init__(
        self,
        seat: Seat,
        topics: Sequence[str],
        *,
        clients: Clients,
        instance_id: str | None,
        clock: ManualClock,
        note: Callable[[str], None],
    ) -> None:
        self._seat = seat
        self.clients = clients
        self.crash = Crash(lambda error: note(f"{error} ({error.__cause__!r})"))
        app = seat.app
        self.engine = Engine(
            replace(app.microbatch, instance_id=instance_id, commit_interval_s=0.0),
            seat.consumer,
            clients=cast("Any", clients),
            crash=self.crash,
            effects=ProcessEffects(),
            sensor=Sensor(),
            clock=clock,
        )
        seat.consumer.engine = self.engine
        seat.consumer._partitions = dict(clients.partitions)
        try:
            seat.run(self._start(topics))
        except Crashed:
            self.kill()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended itself."""
        return not self.crash.happened

    @property
    def fetcher(self) -> SteppedFetcher:
        """The engine's fetcher."""
        return cast("SteppedFetcher", self.engine._fetcher)

    @property
    def committer(self) -> SteppedCommitter:
        """The engine's committer."""
        return cast("SteppedCommitter", self.engine._committer)

    def work(self) -> None:
        """Let the event loop run for some turns, if anything waits for it."""
        if self._seat.loop._ready:  # type: ignore[attr-defined]
            self._seat.run(self._turn())

    def stop(self) -> None:
        """End as a signal asks for."""
        self._seat.run(self.engine.stop())
        self.fetcher.leave()

    def kill(self) -> None:
        """Remove what is left of the process; nothing of it has a further effect."""
        self._seat.clear()

    async def _start(self, topics: Sequence[str]) -> None:
        app = self._seat.app
        app.topics.clear()
        self._agents = [asyncio.create_task(self._act(agent)) for agent in app.agents.values()]
        await asyncio.sleep(0)  # each subscribes to its topic
        await self.engine.start(topics)

    async def _act(self, agent: AgentT[Any]) -> None:
        own: Any = agent
        with self.crash.on_error(f"agent {own.name} failed"):
            actor = own.actor_from_stream(None)
            await actor

    async def _turn(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
