import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from txfeatures.domain.errors import TransientError
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Row
from txfeatures.process.clock import ManualClock
from txfeatures_api.logic import minutes_between
from txfeatures_api.ranges import Budget, Ranges
from txfeatures_api.rows import Rows

MINUTE_S = minute_start_s("2024-10-19 10:49:00")


def test_overlapping_ranges_at_the_same_time_and_later_share_reads(
    store: Any, clock: ManualClock, make_row: Callable[..., Row]
) -> None:
    minutes = [MINUTE_S - 60 * age for age in range(1_400)]
    store.put(*(make_row(minute_name(minute_s), is_final=True) for minute_s in minutes))
    ranges = Ranges(store, Rows(clock=clock), clock=clock, burst=30)

    async def main() -> None:
        wanted = [
            minutes_between(last_s - 999 * 60, last_s)
            for last_s in range(MINUTE_S, MINUTE_S - 300 * 60, -60)
        ]
        for found in await asyncio.gather(*map(ranges.rows, wanted)):
            assert len(found) == 1_000
        assert len(await ranges.rows(wanted[150])) == 1_000

    asyncio.run(main())
    assert len(store.looks) <= 15
    assert all(len(look) == 100 for look in store.looks)


def test_a_budget_is_spent_and_grows_again() -> None:
    budget = Budget(2)
    budget.take(100)
    budget.take(100)
    with pytest.raises(TransientError, match="shorter range") as refused:
        budget.take(100.5)
    assert refused.value.retry_after_s == 1
    budget.take(101)
