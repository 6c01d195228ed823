import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from txfeatures.process.clock import ManualClock
from txfeatures_api.shared_reads import SharedReads

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(main, timeout=30))


class Counter:
    """A read that counts its calls; while its gate is shut, it takes for ever."""

    def __init__(self) -> None:
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> int:
        self.calls += 1
        assert self.gate.wait(30)
        return self.calls


@pytest.fixture
def read() -> Counter:
    return Counter()


def test_concurrent_askers_share_one_read(clock: ManualClock, read: Counter) -> None:
    async def main() -> list[int]:
        reads = SharedReads(cache_s=0, clock=clock, threads=4)
        read.gate.clear()
        asked = [asyncio.create_task(reads.get("key", read)) for _ in range(50)]
        await asyncio.sleep(0)
        read.gate.set()
        return await asyncio.gather(*asked)

    assert run(main()) == [1] * 50


def test_other_keys_are_other_reads(clock: ManualClock, read: Counter) -> None:
    async def main() -> set[int]:
        reads = SharedReads(cache_s=1, clock=clock, threads=1)
        return {await reads.get(key, read) for key in ("one", "two", "one")}

    assert run(main()) == {1, 2}


def test_a_result_is_used_again_until_it_is_too_old(clock: ManualClock, read: Counter) -> None:
    async def main() -> list[int]:
        reads = SharedReads(cache_s=0.5, clock=clock, threads=1)
        results = []
        for pause_s in (0, 0.4, 0.1, 0.4):
            clock.advance(pause_s)
            results.append(await reads.get("key", read))
        return results

    assert run(main()) == [1, 1, 2, 2]


def test_the_age_counts_from_the_start_of_the_read(clock: ManualClock, read: Counter) -> None:
    async def main() -> list[int]:
        reads = SharedReads(cache_s=0.5, clock=clock, threads=1)
        read.gate.clear()
        slow = asyncio.create_task(reads.get("key", read))
        await asyncio.sleep(0)
        clock.advance(10)
        read.gate.set()
        return [await slow, await reads.get("key", read)]

    assert run(main()) == [1, 2]


def test_without_a_cache_each_asker_in_turn_reads(clock: ManualClock, read: Counter) -> None:
    async def main() -> list[int]:
        reads = SharedReads(cache_s=0, clock=clock, threads=1)
        return [await reads.get("key", read) for _ in range(3)]

    assert run(main()) == [1, 2, 3]


def test_a_failure_is_raised_and_not_kept(clock: ManualClock) -> None:
    failures = [ValueError("first")]

    def read() -> str:
        if failures:
            raise failures.pop()
        return "fine"

    async def main() -> str:
        reads = SharedReads(cache_s=1, clock=clock, threads=1)
        with pytest.raises(ValueError, match="first"):
            await reads.get("key", read)
        return await reads.get("key", read)

    assert run(main()) == "fine"


def test_an_asker_that_goes_away_leaves_the_read_to_the_others(
    clock: ManualClock, read: Counter
) -> None:
    async def main() -> int:
        reads = SharedReads(cache_s=0, clock=clock, threads=1)
        read.gate.clear()
        leaver, stayer = (asyncio.create_task(reads.get("key", read)) for _ in range(2))
        await asyncio.sleep(0)
        leaver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaver
        read.gate.set()
        return await stayer

    assert run(main()) == 1
    assert read.calls == 1


def test_results_that_are_too_old_are_forgotten(clock: ManualClock, read: Counter) -> None:
    async def main() -> int:
        reads = SharedReads(cache_s=1, clock=clock, threads=1)
        for key in range(100):
            await reads.get(key, read)
            clock.advance(0.5)
        return len(reads._reads)

    assert run(main()) <= 2
