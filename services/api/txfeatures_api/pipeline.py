"""The counts of each stage of the pipeline, from the offsets of Kafka's topics.

An offset costs the brokers next to nothing, and needs no address of another service. It counts
whatever a topic holds: records, ticks among them, and the commit markers of Kafka transactions.
"""

import asyncio
import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import anyio.to_thread
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from txfeatures.domain.errors import TransientError
from txfeatures.domain.topics import AGGREGATED, DEDUPED, LATE, RAW, dead_letter_topic
from txfeatures.process.clock import Clock
from txfeatures_api import logic, problems
from txfeatures_api.feed_clock import FeedClock

LOOKUP_S = 1.0
"""Brokers are asked at most once in so long, whatever the requests."""

RATE_S = 20.0
"""Rates are over the lookups of so long."""

READERS: Mapping[str, tuple[str, str]] = {
    RAW: ("dedup", "dedup"),
    DEDUPED: ("aggregator", "aggregator"),
    AGGREGATED: ("fs_writer", "fs_writer-features"),
}
"""The topic of each stage, the service that reads it, and that service's group."""

STORES = "stores"
DEAD_LETTERS = tuple(dead_letter_topic(topic) for topic in READERS)

Offsets = Mapping[int, int]


class Positions(Protocol):
    """A source of offsets by partition."""

    def ends(self, topics: Collection[str]) -> Mapping[str, Offsets]:
        """Return the end of each topic; TransientError if the brokers don't answer."""
        ...

    def committed(self, group: str, topic: str) -> Offsets:
        """Return the offsets that a group has committed; TransientError as above."""
        ...


class StageCounts(BaseModel):
    """One stage, with the lag of the service that reads it."""

    name: str = Field(description="The topic, or `stores` for the rows that fs_writer has put.")
    records: int = Field(
        ge=0, description="Offsets used since the topic was made: records, ticks, commit markers."
    )
    rate_per_s: float | None = Field(
        description="Growth of `records` over the last seconds; null until two lookups are known."
    )
    reader: str | None = Field(description="The service that reads the topic; null for `stores`.")
    lag_records: int | None = Field(
        description="Offsets that its reader has not committed; null for `stores`."
    )
    is_caught_up: bool = Field(
        description="The reader has at most one offset left in each partition: a commit marker."
    )


class PipelineCounts(BaseModel):
    """The pipeline at a glance."""

    as_of: str = Field(description="The feed's clock at the answer, ISO 8601, UTC.")
    stages: list[StageCounts] = Field(description="raw, deduped, aggregated, stores.")
    late: int = Field(description="Offsets used in the topic `late`: not counted, an upper bound.")
    dead_letters: int = Field(description="Offsets used in all dead letter topics, likewise.")
    polls: int = Field(description="Polls of all pollers that this api has followed.")
    failed_polls: int = Field(description="Those of them without an answer.")
    gaps: int = Field(description="Those of them before which the feed had outrun the poll.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """The offsets at one moment; ``at_s`` is a monotonic time."""

    at_s: float
    ends: Mapping[str, Offsets]
    committed: Mapping[str, Offsets]

    def records(self, stage: str) -> int:
        """Return the number of offsets behind a stage."""
        if stage == STORES:
            return sum(self.committed[AGGREGATED].values())
        return sum(self.ends[stage].values())

    def total(self, topics: Collection[str]) -> int:
        """Return the number of offsets used in ``topics``."""
        return sum(sum(self.ends[topic].values()) for topic in topics)


def stages(lookups: Sequence[Lookup]) -> list[StageCounts]:
    """Return the stages as of the last of ``lookups``, with the rates since the first."""
    first, last = lookups[0], lookups[-1]
    span_s = last.at_s - first.at_s

    def rate(stage: str) -> float | None:
        # A topic that was made anew counts from 0 again, which is no rate.
        grown = last.records(stage) - first.records(stage)
        return round(grown / span_s, 3) if span_s > 0 and grown >= 0 else None

    found = []
    for topic, (reader, _) in READERS.items():
        ends, committed = last.ends[topic], last.committed[topic]
        lags = [max(0, end - committed.get(number, 0)) for number, end in ends.items()]
        found.append(
            StageCounts(
                name=topic,
                records=last.records(topic),
                rate_per_s=rate(topic),
                reader=reader,
                lag_records=sum(lags),
                is_caught_up=max(lags, default=0) <= 1,
            )
        )
    found.append(
        StageCounts(
            name=STORES,
            records=last.records(STORES),
            rate_per_s=rate(STORES),
            reader=None,
            lag_records=None,
            is_caught_up=True,
        )
    )
    return found


class Pipeline:
    """The lookups of the last seconds, one at a time and shared by all requests."""

    def __init__(self, positions: Positions, *, clock: Clock) -> None:
        self._positions = positions
        self._clock = clock
        self._lock = asyncio.Lock()
        self._lookups: deque[Lookup] = deque()
        self._tried_s = -math.inf
        self._failure: TransientError | None = None

    async def lookups(self) -> list[Lookup]:
        """Return the lookups of the last ``RATE_S``, the newest one at most ``LOOKUP_S`` old.

        Raises:
            TransientError: The brokers don't answer.
        """
        async with self._lock:
            if self._clock.monotonic() - self._tried_s >= LOOKUP_S:
                await self._look()
            if self._failure is not None:  # shared by those who waited for the same lookup
                raise TransientError(str(self._failure)) from self._failure
            return list(self._lookups)

    async def _look(self) -> None:
        try:
            self._lookups.append(await anyio.to_thread.run_sync(self._read))
        except TransientError as error:
            self._failure = error
        else:
            self._failure = None
            while self._lookups[-1].at_s - self._lookups[0].at_s > RATE_S:
                self._lookups.popleft()
        self._tried_s = self._clock.monotonic()

    def _read(self) -> Lookup:
        ends = self._positions.ends([*READERS, LATE, *DEAD_LETTERS])
        committed = {
            topic: self._positions.committed(group, topic) for topic, (_, group) in READERS.items()
        }
        return Lookup(at_s=self._clock.monotonic(), ends=ends, committed=committed)


def add_pipeline(app: FastAPI, pipeline: Pipeline, feed_clock: FeedClock) -> None:
    """Serve the counts of the stages."""

    @app.get(
        "/v1/pipeline",
        response_model=PipelineCounts,
        responses=problems.responses(HTTPStatus.SERVICE_UNAVAILABLE),
    )
    async def counts() -> Response:
        """Return the counts of each stage, from Kafka's offsets."""
        lookups = await pipeline.lookups()
        answer = PipelineCounts(
            as_of=logic.as_of(feed_clock.now_ms()),
            stages=stages(lookups),
            late=lookups[-1].total([LATE]),
            dead_letters=lookups[-1].total(DEAD_LETTERS),
            polls=feed_clock.polls,
            failed_polls=feed_clock.failed_polls,
            gaps=feed_clock.gaps,
        )
        return JSONResponse(answer.model_dump(), headers={"Cache-Control": "no-cache"})
