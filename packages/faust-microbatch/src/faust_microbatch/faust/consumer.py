"""Faust's consumer: the engine in Faust's clothes."""

import asyncio
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaException
from faust import Service
from faust.types import TP

from faust_microbatch.engine.clients import Clients
from faust_microbatch.engine.engine import Engine
from faust_microbatch.engine.records import Batch, Partition
from faust_microbatch.engine.recovery import Restoration
from faust_microbatch.errors import MicrobatchError
from faust_microbatch.faust.message import BatchMessage
from faust_microbatch.faust.unused import UnusedConsumer

METADATA_TIMEOUT_S = 10.0
CHECK_INTERVAL_S = 1.0


class Consumer(Service, UnusedConsumer):
    """Connects the engine with Faust: Faust's consumer, and the engine's host."""

    def __init__(self, transport: Any, **options: Any) -> None:
        super().__init__(loop=options.get("loop"), beacon=options["beacon"])
        self.transport = transport
        self.app: Any = transport.app
        self.transactions = self.app.producer
        self.randomly_assigned_topics: set[str] = set()
        self._config = self.app.microbatch
        self._clients = Clients(self._config)
        self._partitions: dict[str, int] = {}
        self.engine = Engine(
            self._config,
            self,
            clients=self._clients,
            crash=self.app.crash_worker,
            effects=self.app.effects,
            sensor=self.app.sensor,
            clock=self.app.clock,
        )

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group.

        Raises:
            MicrobatchError: A topic is missing or does not fit its table, or Kafka is not there.
        """
        if not self._partitions:
            names = sorted(topics)
            await asyncio.to_thread(self._check_topics, names)
            self.app.on_rebalance_start()
            await self.engine.start(names)

    async def leave(self) -> None:
        """Finish what was begun, commit it and leave the group."""
        await self.engine.stop()

    def ack(self, message: BatchMessage) -> bool:  # type: ignore[override]  # there are no others
        """Let a batch that every agent has finished be committed."""
        self.engine.finish(message.batch)
        return True

    def assignment(self) -> set[TP]:
        """Return the partitions of this worker."""
        return _tps(self.engine.partitions)

    def topic_partitions(self, topic: str) -> int | None:
        """Return how many partitions a topic has, None if there is none."""
        return self._partitions.get(topic)

    # Called by the engine.

    def deliver(self, batch: Batch) -> None:
        """Hand a batch to the agents on its topic."""
        self.app.topics.deliver(batch)

    def renew_tables(self, numbers: Iterable[int], kept: set[int]) -> list[Restoration]:
        """Make stores anew."""
        found: list[Restoration] = self.app.tables.renew(numbers, kept=kept)
        return found

    async def on_assigned(self, partitions: set[Partition]) -> None:
        """Prepare the conductor to hand batches of ``partitions`` to the agents.

        Raises:
            MicrobatchError: A topic has more partitions than at the start, and there are tables.
        """
        for topic, number in sorted(partitions):
            if self.app.tables and number >= self._partitions[topic]:
                raise MicrobatchError(
                    f"topic {topic} has more than the {self._partitions[topic]} partitions of this"
                    " worker's start, and keys have moved away from their tables; give every"
                    " table's changelog as many partitions as its topics and start again"
                )
        await self.app.topics.on_partitions_assigned(_tps(partitions))
        self.app.flow_control.resume()

    async def on_ready(self, partitions: set[Partition]) -> None:
        """Send Faust's signals of a finished rebalance."""
        self.app.on_rebalance_return()
        self.app.on_rebalance_end()
        self.app.tables.on_recovered()
        await self.app.on_partitions_assigned.send(_tps(partitions))
        await self.app.on_rebalance_complete.send()

    async def on_revoked(self, partitions: set[Partition]) -> None:
        """Send Faust's signals of a rebalance."""
        self.app.on_rebalance_start()
        await self.app.on_partitions_revoked.send(_tps(partitions))

    @Service.task
    async def _check_engine(self) -> None:
        while not self.should_stop:
            await self.sleep(CHECK_INTERVAL_S)
            self.engine.check()

    def _check_topics(self, topics: Iterable[str]) -> None:
        """Refuse topics that are missing and changelogs of another size."""
        try:
            found = self._clients.admin().list_topics(timeout=METADATA_TIMEOUT_S).topics
        except KafkaException as error:
            raise MicrobatchError(
                f"Kafka at {self._config.bootstrap_servers} can't be used ({error});"
                " check the address and the client's settings"
            ) from error
        self._partitions = {name: len(topic.partitions) for name, topic in found.items()}
        tables = self.app.tables.values()
        wanted = dict.fromkeys(topics) | {t.changelog_topic_name: t.partitions for t in tables}
        for name, count in wanted.items():
            if name not in self._partitions:
                raise MicrobatchError(f"Kafka has no topic {name}; create it and start again")
            if count not in (None, self._partitions[name]):
                raise MicrobatchError(
                    f"topic {name} has {self._partitions[name]} partitions, but its table {count};"
                    " make the two equal and start again"
                )


def _tps(partitions: Iterable[Partition]) -> set[TP]:
    return {TP(*partition) for partition in partitions}
