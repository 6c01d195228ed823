import asyncio

import pytest

from faust_microbatch import Batch
from faust_microbatch.engine.budget import Budget
from faust_microbatch.engine.flow import Flow
from microbatch_support.fakes import messages


def batch() -> Batch:
    return Batch("in", 0, messages(2), start=None)


def test_halting_drops_what_waits_and_gives_its_room_back() -> None:
    async def play() -> None:
        budget = Budget(1000)
        flow, waiting = Flow(budget), batch()
        flow.open()
        budget.take(waiting.memory_bytes)
        assert flow.admit(waiting)
        await flow.halt(1)
        assert budget.used_bytes == 0
        assert not flow.begin(waiting)

    asyncio.run(play())


def test_halting_waits_for_what_was_begun() -> None:
    async def play() -> None:
        flow, begun = Flow(Budget(1000)), batch()
        flow.open()
        flow.admit(begun)
        assert flow.begin(begun)
        halting = asyncio.create_task(flow.halt(10))
        await asyncio.sleep(0)
        assert not halting.done()
        assert flow.begin(begun)  # by the second of two agents
        flow.finish(begun)
        await halting
        assert flow.unfinished() == []

    asyncio.run(play())


def test_an_agent_that_never_finishes_is_an_error() -> None:
    async def play() -> None:
        flow, begun = Flow(Budget(1000)), batch()
        flow.open()
        flow.admit(begun)
        flow.begin(begun)
        with pytest.raises(TimeoutError):
            await flow.halt(0.01)
        assert flow.unfinished() == [begun]

    asyncio.run(play())


def test_nothing_is_let_in_before_it_is_open_or_after_a_halt() -> None:
    async def play() -> None:
        flow = Flow(Budget(1000))
        assert not flow.admit(batch())
        flow.open()
        assert flow.admit(batch())
        await flow.halt(1)
        assert not flow.admit(batch())

    asyncio.run(play())
