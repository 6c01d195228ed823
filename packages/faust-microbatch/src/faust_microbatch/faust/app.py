"""The Faust app on this transport."""

import gc
from collections.abc import Awaitable, Callable
from typing import Any, cast

import faust
from faust.types import AgentT

from faust_microbatch.clock import Clock, SystemClock
from faust_microbatch.engine.config import Config
from faust_microbatch.engine.crash import Crash
from faust_microbatch.engine.sensor import Sensor
from faust_microbatch.engine.stores import DictStore, Store
from faust_microbatch.errors import MicrobatchError
from faust_microbatch.faust import tables
from faust_microbatch.faust.consumer import Consumer
from faust_microbatch.faust.stream import Stream

GC_THRESHOLD = 50_000
"""Objects that must have been made before the collector looks at the young ones."""


class App(faust.App):
    """A Faust app whose agents get batches; made by `create_app`."""

    def __init__(
        self,
        name: str,
        *,
        microbatch: Config,
        sensor: Sensor,
        clock: Clock,
        crash: Crash,
        **options: Any,
    ) -> None:
        self.microbatch = microbatch
        self.sensor = sensor
        self.clock = clock
        self.crash_process = crash
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
        """Start once: let the garbage collector look less often."""
        # Tens of thousands of records come and go; looking at them costs a tenth of the time.
        gc.set_threshold(GC_THRESHOLD)
        await super().on_first_start()

    async def _on_agent_error(self, agent: AgentT[Any], exc: BaseException) -> None:
        self.crash_process(f"agent {agent.name} failed", exc)

    async def _stop_consumer(self) -> None:
        if self._consumer is not None:
            await cast("Consumer", self._consumer).leave()


def create_app(
    config: Config,
    *,
    sensor: Sensor | None = None,
    clock: Clock | None = None,
    crash: Crash | None = None,
    **options: Any,
) -> App:
    """Return a Faust app on this transport.

    Args:
        config: Brokers, group and limits.
        sensor: Told what happens.
        clock: What durations are measured by.
        crash: How the process ends when it can't go on.
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
        crash=crash or Crash(),
        **{**settings, **options},
    )
