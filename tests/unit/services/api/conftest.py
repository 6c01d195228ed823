from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from txfeatures.domain.features import EMPTY, minute_start_s, row
from txfeatures.domain.model import Row
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime


@dataclass(slots=True)
class MemoryStore:
    """A store of rows that can be told to fail, and remembers what was read."""

    rows: dict[int, Row] = field(default_factory=dict)
    failure: Exception | None = None
    looks: list[list[int]] = field(default_factory=list)

    def put(self, *rows: Row) -> None:
        for each in rows:
            self.rows[minute_start_s(str(each["tx_minute"]))] = each

    def read(self, minutes: Sequence[int]) -> list[Row]:
        self.looks.append(list(minutes))
        if self.failure is not None:
            raise self.failure
        return [self.rows[minute_s] for minute_s in reversed(minutes) if minute_s in self.rows]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def runtime(clock: ManualClock) -> Runtime:
    return Runtime(metrics=Metrics("api"), clock=clock)


@pytest.fixture
def make_row() -> Callable[..., Row]:
    def make(
        minute: str = "2024-10-19 10:49:00",
        *,
        revision: int = 1,
        is_final: bool = False,
        known_after_s: float = 30,
    ) -> Row:
        minute_s = minute_start_s(minute)
        return row(
            EMPTY,
            minute_s=minute_s,
            event_time_ms=int((minute_s + known_after_s) * 1000) + revision,
            revision=revision,
            is_final=is_final,
            gaps=0,
        )

    return make
