"""The Faust app on this transport."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, cast

import faust
from faust.types import AgentT
from mode.utils.loops import get_event_loop

from faust_microbatch.clock import Clock, SystemClock
from faust_microbatch.engine.config import Config
from faust_microbatch.engine.crash import Crash, CrashedError
from faust_microbatch.engine.effects import ProcessEffects
from faust_microbatch.engine.sensor import Sensor
from faust_microbatch.engine.stores import DictStore, Store
from faust_microbatch.errors import MicrobatchError
from faust_microbatch.faust import tables
from faust_microbatch.faust.consumer import Consumer
from faust_microbatch.faust.stream import Stream


class App(faust.App):
    """A Faust app whose agents get batches; made by `create_app`."""

    def __init__(
        self,
        name: str,
        *,
        microbatch: Config,
        sensor: Sensor,
        clock: Clock,
        effects: ProcessEffects,
        **options: Any,
    ) -> None:
        self.microbatch = microbatch
        self.sensor = sensor
        self.clock = clock
        self.effects = effects
        self.crash_worker = Crash(self._end)
        self._running_loop: asyncio.AbstractEventLoop | None = None
        with warnings.catch_warnings():
            # Faust looks for a loop before one runs. Mode makes it, once for each thread;
            # Python 3.12 and 3.13 warn on the way.
            warnings.simplefilter("ignore", DeprecationWarning)
            get_event_loop()
        super().__init__(name, **options)

    def Table(  # type: ignore[override]  # noqa: N802 - Faust's name
        self,
        name: str,
        *,
        partitions: int,
        partition_store: Callable[[], Store[Any]] = DictStore,
        **options: Any,
    ) -> tables.Table:
        """Define a table.

        Args:
            name: Its changelog is ``<app>-<name>-changelog``.
            partitions: As many as the topics have that its agents read.
            partition_store: Makes the store of a partition.
            options: As Faust's.
        """
        table = super().Table(
            name, partitions=partitions, partition_store=partition_store, **options
        )
        return cast("tables.Table", table)

    def agent(  # type: ignore[override]  # agents get batches
        self, *args: Any, **options: Any
    ) -> Callable[[Callable[[Any], Awaitable[None]]], AgentT[Any]]:
        """Define an agent, as Faust does; one actor, as the order of batches demands.

        Raises:
            MicrobatchError: The agent is to have several actors.
        """
        if options.get("concurrency", 1) != 1 or options.get("isolated_partitions"):
            raise MicrobatchError(
                "batches of a partition are worked on in order; run more workers instead of"
                " an agent with concurrency or isolated_partitions"
            )
        return super().agent(*args, **options)

    async def on_first_start(self) -> None:
        """Start for the first time."""
        self._running_loop = asyncio.get_running_loop()
        self.effects.started()
        await super().on_first_start()

    def _end(self, error: CrashedError) -> None:
        """End the process, or stop the app so that its worker raises ``error``."""
        if self.effects.exit_process is not None:
            self.effects.exit_process(1)
        elif self._running_loop is not None:
            self._running_loop.call_soon_threadsafe(self._crash_soon, error)

    def _crash_soon(self, error: CrashedError) -> None:
        self.add_future(self.crash(error))

    async def _on_agent_error(self, agent: AgentT[Any], exc: BaseException) -> None:
        self.crash_worker(f"agent {agent.name} failed", exc)

    async def _stop_consumer(self) -> None:
        if self._consumer is not None:
            await cast("Consumer", self._consumer).leave()


def create_app(
    config: Config,
    *,
    sensor: Sensor | None = None,
    clock: Clock | None = None,
    effects: ProcessEffects | None = None,
    **options: Any,
) -> App:
    """Return a Faust app on this transport.

    Args:
        config: Brokers, group and limits.
        sensor: Receives measurements.
        clock: Measures durations.
        effects: Effects on the process as a whole; none by default, see `own_process`.
        options: Settings of Faust.
    """
    settings: dict[str, Any] = {
        "broker": f"microbatch://{config.bootstrap_servers}",
        "store": "memory://",
        "Stream": Stream,
        "Table": tables.Table,
        "TableManager": tables.TableManager,
        "processing_guarantee": "exactly_once",
        "key_serializer": "raw",
        "value_serializer": "raw",
        "autodiscover": False,
        "table_standby_replicas": 0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
    }
    return App(
        config.group,
        microbatch=config,
        sensor=sensor or Sensor(),
        clock=clock or SystemClock(),
        effects=effects or ProcessEffects(),
        **{**settings, **options},
    )
