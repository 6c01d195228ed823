from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from tests.support.declared import EMPTY, row
from txfeatures.domain.errors import TransientError
from txfeatures.domain.features import minute_start_s
from txfeatures.domain.model import Row
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_api.pipeline import Pipeline


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


class NoPositions:
    """Brokers that don't answer."""

    def ends(self, topics: Collection[str]) -> Mapping[str, Mapping[int, int]]:
        raise TransientError(f"Kafka's brokers don't answer for {len(topics)} topics")

    def committed(self, group: str, topic: str) -> Mapping[int, int]:
        raise TransientError(f"Kafka's brokers don't answer for {group} and {topic}")


@pytest.fixture
def pipeline(clock: ManualClock) -> Pipeline:
    return Pipeline(NoPositions(), clock=clock)
