"""Tests of an app in process, without a broker.

with TestDriver(create_app(config)) as driver:
driver.feed("events", [Outgoing(b"a", b"1")], partition=3)
assert [record.key for record in driver.read("first")] == [b"a"]
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterable, Awaitable, Coroutine, Iterable
from typing import Any, Self, TypeVar, cast

import msgspec
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message
from faust.types import TP, AgentT

from faust_microbatch.engine.records import Batch, Headers, Partition, Sendable
from faust_microbatch.engine.stores import Change, Store
from faust_microbatch.errors import MicrobatchError
from faust_microbatch.faust.app import App

T = TypeVar("T")


class SentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A committed record, of an output topic or a changelog.

    Attributes:
        partition: The partition it was sent to; None if its key decides.
    """

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    timestamp_ms: int = 0
    headers: Headers = ()


def batch_of(
    topic: str, records: Iterable[Sendable], *, partition: int = 0, offset: int = 0
) -> Batch:
    """Return ``records`` as an agent gets them, the first of them at ``offset``."""
    messages = [
        Message(
            topic=topic,
            partition=partition,
            offset=number,
            key=record.key,
            value=record.value,
            headers=list(record.headers),
            timestamp=(TIMESTAMP_CREATE_TIME, record.timestamp_ms),
        )
        for number, record in enumerate(records, offset)
    ]
    if not messages:
        raise ValueError("a batch has at least one record")
    return Batch(topic, partition, messages, start=offset)


class TestDriver:
    """Runs the agents of an app on batches that a test feeds, one at a time.

    A batch is committed when all agents on its topic request the next one, as in a worker:
    the records they sent can be read then, and a restart restores the tables from the
    committed changelogs. A record sent to a topic that another agent of the app reads is not
    passed on: read it and feed it.

    Args:
        app: An app, for this driver alone.
    """

    __test__ = False  # pytest collects no class of this name

    def __init__(self, app: App) -> None:
        self._loop = asyncio.new_event_loop()
        self._offsets: dict[Partition, int] = {}
        self._sent: defaultdict[str, list[SentRecord]] = defaultdict(list)
        self._changelogs: defaultdict[Partition, list[Change]] = defaultdict(list)
        self._numbers: set[int] = set()
        self._has_failed = False
        self._start(app)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def feed(self, topic: str, records: Iterable[Sendable], *, partition: int = 0) -> None:
        """Let the agents on ``topic`` work on ``records`` as one batch, and commit it.

        Raises:
            Exception: An agent's own error. Nothing of the batch is committed, and as a worker
                ends with such an error, nothing can be fed until `restart`.
            MicrobatchError: No agent reads ``topic``, or one has failed before.
        """
        if self._has_failed:
            raise MicrobatchError("an agent has failed; restart the driver")
        if not any(topic in each.topics for each in self._topics):
            raise MicrobatchError(f"no agent reads {topic}")
        source = (topic, partition)
        batch = batch_of(topic, records, partition=partition, offset=self._offsets.get(source, 0))
        self._run(self._assign({*self._offsets, source}))
        self._has_failed = True
        self._run(self._work_on(batch))
        self._has_failed = False
        self._commit(batch)

    def read(self, topic: str) -> list[SentRecord]:
        """Return the records committed to ``topic`` since it was last read."""
        return self._sent.pop(topic, [])

    def table(self, name: str, partition: int = 0) -> Store[Any]:
        """Return the store of a partition of a table."""
        self._restore({partition})
        store: Store[Any] = self._tables[name].data.by_number[partition]
        return store

    def committed(self, topic: str, partition: int = 0) -> int | None:
        """Return the committed offset of a partition; None if there is none."""
        return self._offsets.get((topic, partition))

    def restart(self, app: App | None = None) -> None:
        """Start the agents anew, with tables restored from the committed changelogs.

        Args:
            app: Another app that takes over; by default the same one.
        """
        self._run(self._stop())
        self._start(app or self._app)
        self._run(self._assign(set(self._offsets)))

    def close(self) -> None:
        """Stop the agents."""
        self._run(self._stop())
        self._run(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _start(self, app: App) -> None:
        self._app = app
        self._tables: Any = app.tables
        self._topics: Any = app.topics
        self._is_finished: asyncio.Future[bool] = self._loop.create_future()
        self._numbers = set()
        self._has_failed = False
        self._run(self._start_agents())

    async def _start_agents(self) -> None:
        self._app.finalize()
        consumer: Any = self._app.consumer  # made in the loop, which it looks for
        consumer.engine = self  # as far as streams and acknowledgements need one
        self._app.flow_control.resume()
        self._topics.clear()
        agents = self._app.agents.values()
        self._agents = [asyncio.create_task(_act(agent)) for agent in agents]
        await asyncio.sleep(0)  # each subscribes to its topic

    async def _stop(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _assign(self, partitions: set[Partition]) -> None:
        await self._topics.on_partitions_assigned({TP(*partition) for partition in partitions})
        self._restore({number for _, number in partitions})

    def _restore(self, numbers: set[int]) -> None:
        """Make the tables of those ``numbers`` whole that are not yet."""
        for each in self._tables.renew(numbers - self._numbers, kept=self._numbers):
            each.store.restore(self._changelogs[each.changelog])
        self._numbers |= numbers

    async def _work_on(self, batch: Batch) -> None:
        self._is_finished = self._loop.create_future()
        self._topics.deliver(batch)
        ends: list[asyncio.Future[Any]] = [self._is_finished, *self._agents]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for agent in self._agents:
            if agent.done():
                agent.result()
                raise MicrobatchError(f"an agent returned before it had finished {batch}")
        if not self._is_finished.result():
            raise MicrobatchError(f"an agent left {batch} unfinished")

    def _commit(self, batch: Batch) -> None:
        for topic, partition, records in batch.outbox.sends:
            self._sent[topic] += [
                SentRecord(
                    topic=topic,
                    partition=partition,
                    key=record.key,
                    value=record.value,
                    timestamp_ms=record.timestamp_ms,
                    headers=tuple(record.headers),
                )
                for record in records
            ]
        for topic, number, changes in batch.outbox.changes:
            self._changelogs[topic, number] += changes.items()
            self._sent[topic] += [
                SentRecord(topic=topic, partition=number, key=key, value=value)
                for key, value in changes.items()
            ]
        self._offsets[batch.source] = batch.next_offset

    # Called by streams and acknowledgements, as of the engine.

    def begin(self, batch: Batch) -> bool:  # noqa: ARG002 - the engine's signature
        """Let an agent take a batch."""
        return True

    def finish(self, batch: Batch) -> None:
        """Note that every agent has finished the batch."""
        batch.forget_records()
        self._is_finished.set_result(True)

    def abandon(self, batch: Batch, error: BaseException) -> None:  # noqa: ARG002
        """Note that an agent left the batch half done."""
        if not self._is_finished.done():
            self._is_finished.set_result(False)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)


async def _act(agent: AgentT[Any]) -> None:
    """Run an agent as its own task does in a worker."""
    own: Any = agent
    actor = own.actor_from_stream(None)
    if isinstance(actor, Awaitable):
        await actor
    else:
        await own._slurp(actor, aiter(cast("AsyncIterable[Any]", actor)))  # noqa: SLF001
