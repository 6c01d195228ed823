import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from tests.support.declared import DEFAULT
from txfeatures.domain import wire
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Heartbeat, Record, Row
from txfeatures.process.clock import ManualClock
from txfeatures.process.runtime import Runtime
from txfeatures_api import served
from txfeatures_api.features import Features, open_features
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.logic import Fields
from txfeatures_api.pages import SLICE_ROWS
from txfeatures_api.pipeline import Pipeline
from txfeatures_api.routes import create_app
from txfeatures_api.served import ServedRow
from txfeatures_api.settings import Settings

Client = httpx.AsyncClient

NOW_S = minute_start_s("2024-10-19 10:49:00")
PAGES = 3
ROWS = 1_000


def page(number: int) -> str:
    return f"/v1/features?limit={ROWS}&to={NOW_S - 60 * number}"


@pytest.fixture
def features(
    store: Any, clock: ManualClock, runtime: Runtime, make_row: Callable[..., Row]
) -> Features:
    ages = range(ROWS + PAGES)
    store.put(*(make_row(minute_name(NOW_S - 60 * age), is_final=True) for age in ages))
    feed_clock = FeedClock()
    beat = Heartbeat(poller="one", poll_id=1, feed_time_ms=NOW_S * 1000 + 45_000, outcome="ok")
    value = wire.encode_heartbeat(beat)
    feed_clock.receive(
        [Record(topic="feed", partition=0, offset=0, key=None, value=value, timestamp_ms=0)]
    )
    features = open_features(Settings(), store, feed_clock, runtime, DEFAULT)
    features.watch.read(clock.monotonic())
    return features


@pytest.fixture
def ask(
    features: Features, pipeline: Pipeline, runtime: Runtime
) -> Callable[[Callable[[Client], Coroutine[Any, Any, None]]], None]:
    app = create_app(features=features, pipeline=pipeline, runtime=runtime)

    def ask(questions: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            transport = httpx.ASGITransport(app)
            async with Client(transport=transport, base_url="http://api") as client:
                await client.get(page(PAGES))  # its rows are known from now on
                await questions(client)

        asyncio.run(main())

    return ask


def test_a_row_is_encoded_once_for_all_pages(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: Counter[str] = Counter()
    encode = served._encode

    def counted(row: Row) -> bytes:
        encoded[str(row["tx_minute"])] += 1
        return encode(row)

    monkeypatch.setattr(served, "_encode", counted)

    async def questions(client: Client) -> None:
        for number in range(PAGES):
            assert len((await client.get(page(number))).json()["rows"]) == ROWS

    ask(questions)
    assert set(encoded.values()) == {1}
    assert len(encoded) == ROWS + PAGES


def test_pages_hold_the_event_loop_for_a_slice_at_most_however_many_there_are(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = 0
    rows_of_turn: Counter[int] = Counter()
    answer = ServedRow.answer

    def counted(row: ServedRow, feed_time_ms: int, fields: Fields) -> bytes:
        rows_of_turn[turn] += 1
        return answer(row, feed_time_ms, fields)

    monkeypatch.setattr(ServedRow, "answer", counted)

    async def questions(client: Client) -> None:
        async def count_turns() -> None:
            nonlocal turn
            while True:
                turn += 1
                await asyncio.sleep(0)

        rows_of_turn.clear()
        counting = asyncio.create_task(count_turns())
        await asyncio.gather(*(client.get(page(number)) for number in range(PAGES)))
        counting.cancel()

    ask(questions)
    assert sum(rows_of_turn.values()) == PAGES * ROWS
    assert max(rows_of_turn.values()) == SLICE_ROWS


def test_the_latest_row_passes_pages_that_were_requested_before(ask: Any) -> None:
    order: list[str] = []

    async def questions(client: Client) -> None:
        async def get(path: str) -> None:
            assert (await client.get(path)).status_code == 200
            order.append(path)

        latest = "/v1/features/latest"
        await asyncio.gather(*map(get, [*map(page, range(PAGES)), latest]))
        assert order[0] == latest

    ask(questions)
