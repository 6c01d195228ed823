import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import faust
import pytest

from faust_microbatch import App, Batch, MicrobatchError
from faust_microbatch.faust.message import BatchMessage
from faust_microbatch.faust.stream import Stream
from microbatch_support.apps import a_batch, an_app


class Engine:
    """Notes what the stream reports of each batch; passes over ``dropped``."""

    def __init__(self, dropped: Iterable[Batch] = ()) -> None:
        self.finished: list[Batch] = []
        self.abandoned: list[tuple[Batch, type[BaseException]]] = []
        self._dropped = set(dropped)

    def begin(self, batch: Batch) -> bool:
        return batch not in self._dropped

    def finish(self, batch: Batch) -> None:
        self.finished.append(batch)

    def abandon(self, batch: Batch, error: BaseException) -> None:
        self.abandoned.append((batch, type(error)))


Agent = Callable[["Stream"], Awaitable[None]]


def play(agent: Agent, engine: Engine, *batches: Batch) -> None:
    """Let an agent work on batches until it returns or raises."""

    async def run() -> None:
        app: App = an_app()
        app.consumer.engine = engine  # type: ignore[attr-defined]
        app.flow_control.resume()
        topic: Any = app.topic("in").clone(is_iterator=True)
        for batch in batches:
            message = BatchMessage(batch)
            message.incref()
            topic.queue.force_put_nowait(faust.Event(app, None, batch, None, message))
        try:
            await agent(Stream(topic, app=app))
        finally:
            await asyncio.sleep(0.01)  # the iterator that was left is closed by the loop

    asyncio.run(run())


def test_a_batch_is_finished_when_the_agent_asks_for_the_next_one_and_not_before() -> None:
    engine, first, second = Engine(), a_batch(0), a_batch(1)
    finished_before: list[list[Batch]] = []

    async def agent(stream: Stream) -> None:
        async for _ in stream:
            finished_before.append(list(engine.finished))
            if len(finished_before) == 2:
                return

    play(agent, engine, first, second)
    assert finished_before == [[], [first]]
    assert engine.finished == [first]


def test_a_batch_that_the_agent_leaves_by_return_or_break_is_abandoned() -> None:
    engine, batch = Engine(), a_batch()

    async def agent(stream: Stream) -> None:
        async for _ in stream:
            break

    play(agent, engine, batch)
    assert engine.abandoned == [(batch, GeneratorExit)]
    assert engine.finished == []


def test_a_batch_on_which_the_agent_raises_is_abandoned_and_not_finished() -> None:
    engine, batch = Engine(), a_batch()

    async def agent(stream: Stream) -> None:
        async for _ in stream:
            raise ValueError("an agent's mistake")

    with pytest.raises(ValueError, match="an agent's mistake"):
        play(agent, engine, batch)
    assert engine.finished == []


def test_a_batch_during_which_the_agent_is_cancelled_is_abandoned() -> None:
    engine, batch = Engine(), a_batch()

    async def agent(stream: Stream) -> None:
        async def forever() -> None:
            async for _ in stream:
                await asyncio.Event().wait()

        task = asyncio.create_task(forever())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    play(agent, engine, batch)
    assert [left for left, _ in engine.abandoned] == [batch]
    assert engine.finished == []


def test_batches_that_were_dropped_are_passed_over_without_being_finished() -> None:
    dropped, kept = a_batch(0), a_batch(1)
    engine = Engine(dropped=[dropped])
    seen: list[Batch] = []

    async def agent(stream: Stream) -> None:
        async for batch in stream:
            seen.append(batch)
            return

    play(agent, engine, dropped, kept)
    assert seen == [kept]
    assert engine.finished == []


def test_the_agent_stops_when_its_channel_is_stopped() -> None:
    async def run() -> None:
        app = an_app()
        app.consumer.engine = Engine()  # type: ignore[attr-defined]
        app.flow_control.resume()
        topic: Any = app.topic("in").clone(is_iterator=True)
        topic._throw(StopAsyncIteration())
        assert [batch async for batch in Stream(topic, app=app)] == []

    asyncio.run(run())


def test_a_stream_of_anything_but_a_topic_is_refused() -> None:
    with pytest.raises(MicrobatchError, match="only topics have batches"):
        aiter(an_app().stream(["a", "b"]))
