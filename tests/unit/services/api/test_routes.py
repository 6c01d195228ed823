import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import FEATURES, minute_name, minute_start_s
from txfeatures.domain.model import Heartbeat, Record, Row
from txfeatures.process.clock import ManualClock
from txfeatures.process.runtime import Runtime
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.models import FeatureRow, FeatureRows
from txfeatures_api.problems import Problem
from txfeatures_api.routes import create_app
from txfeatures_api.rows import Rows
from txfeatures_api.shared_reads import SharedReads

MakeRow = Callable[..., Row]
Get = Callable[..., httpx.Response]

MINUTE = "2024-10-19 10:49:00"
MINUTE_S = minute_start_s(MINUTE)
FEED_TIME_MS = (MINUTE_S + 45) * 1000


def heartbeat(feed_time_ms: int) -> Record:
    said = Heartbeat(poller="one", poll_id=1, feed_time_ms=feed_time_ms, outcome="ok")
    value = wire.encode_heartbeat(said)
    return Record(topic="feed", partition=0, offset=0, key=None, value=value, timestamp_ms=0)


@pytest.fixture
def feed_clock() -> FeedClock:
    feed_clock = FeedClock()
    feed_clock.receive([heartbeat(FEED_TIME_MS)])
    return feed_clock


@pytest.fixture
def get(store: Any, feed_clock: FeedClock, clock: ManualClock, runtime: Runtime) -> Get:
    reads = SharedReads(cache_s=0, clock=clock, threads=2)
    rows = Rows(store, reads=reads, lookback_minutes=180)
    app = create_app(rows=rows, feed_clock=feed_clock, runtime=runtime)

    def get(path: str, method: str = "GET", **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    return get


def requests(runtime: Runtime, **labels: str) -> float | None:
    return runtime.metrics.registry.get_sample_value("txf_api_requests_total", labels)


def assert_problem(answer: httpx.Response, status: int) -> str:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate(answer.json())
    assert (answer.status_code, problem.status) == (status, status)
    assert problem.instance == answer.request.url.path
    return problem.detail


def test_the_latest_row_comes_typed_with_its_staleness(
    get: Get, store: Any, make_row: MakeRow, runtime: Runtime
) -> None:
    row = make_row(MINUTE, revision=3, known_after_s=40)
    store.put(row)
    answer = get("/features/latest")
    assert answer.status_code == 200
    assert answer.json() == {**row, "staleness_s": 4.997, "as_of": "2024-10-19T10:49:45.000Z"}
    assert answer.headers["ETag"] == '"2024-10-19T10:49:00Z:3"'
    assert answer.headers["Cache-Control"] == "no-cache"
    FeatureRow.model_validate_json(answer.content, strict=True)
    assert runtime.metrics.registry.get_sample_value("txf_api_staleness_seconds") == 4.997


def test_the_latest_final_row_is_asked_for_by_name(get: Get, store: Any, make_row: MakeRow) -> None:
    store.put(make_row(MINUTE), make_row("2024-10-19 10:47:00", is_final=True))
    assert get("/features/latest?final=true").json()["tx_minute"] == "2024-10-19 10:47:00"
    assert get("/features/latest?final=false").json()["tx_minute"] == MINUTE


def test_who_has_the_revision_already_gets_no_body(
    get: Get, store: Any, make_row: MakeRow, runtime: Runtime
) -> None:
    store.put(make_row(MINUTE))
    for path in ("/features/latest", f"/features/{MINUTE}"):
        tag = get(path).headers["ETag"]
        answer = get(path, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
    store.put(make_row(MINUTE, revision=2))
    assert get(path, headers={"If-None-Match": tag}).status_code == 200
    assert requests(runtime, route="/features/latest", status="304") == 1


@pytest.mark.parametrize("minute", [MINUTE, "2024-10-19T10:49:00Z", str(MINUTE_S)])
def test_a_minute_is_served_however_it_is_written(
    minute: str, get: Get, store: Any, make_row: MakeRow, runtime: Runtime
) -> None:
    store.put(make_row(MINUTE))
    assert get(f"/features/{minute}").json()["tx_minute"] == MINUTE
    assert requests(runtime, route="/features/{minute}", status="200") == 1


def test_a_feature_younger_than_the_row_is_null(get: Get, store: Any, make_row: MakeRow) -> None:
    row = dict(make_row(MINUTE))
    del row["total_fee_1min"]
    store.put(row)
    answer = get(f"/features/{MINUTE}")
    assert answer.json()["total_fee_1min"] is None
    FeatureRow.model_validate_json(answer.content, strict=True)


def test_a_range_is_ascending_and_says_where_it_goes_on(
    get: Get, store: Any, make_row: MakeRow
) -> None:
    store.put(*(make_row(minute_name(MINUTE_S - 60 * age)) for age in range(100)))
    answer = get("/features", params={"from": MINUTE_S - 600, "to": MINUTE, "limit": 4})
    assert [row["tx_minute"][-5:-3] for row in answer.json()["rows"]] == ["39", "40", "41", "42"]
    assert answer.json()["next"] == "2024-10-19 10:43:00"
    FeatureRows.model_validate_json(answer.content, strict=True)


def test_a_range_is_the_last_hour_by_default(get: Get, store: Any, make_row: MakeRow) -> None:
    store.put(*(make_row(minute_name(MINUTE_S - 60 * age)) for age in range(100)))
    answer = get("/features").json()
    assert (len(answer["rows"]), answer["rows"][-1]["tx_minute"], answer["next"]) == (
        60,
        MINUTE,
        None,
    )


def test_a_range_without_rows_is_an_empty_list(get: Get) -> None:
    answer = get("/features?limit=1000")
    assert (answer.status_code, answer.json()["rows"]) == (200, [])


@pytest.mark.parametrize("path", ["/features/latest", "/features/latest?final=true"])
def test_no_row_yet_is_not_found(path: str, get: Get) -> None:
    assert "row yet near the feed's clock" in assert_problem(get(path), 404)


def test_a_minute_without_a_row_is_not_found(get: Get) -> None:
    detail = assert_problem(get("/features/2024-10-19 11:00:00"), 404)
    assert "the feed's clock stands at 2024-10-19T10:49:45" in detail


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/features/yesterday", "write YYYY-MM-DD HH:MM:00"),
        ("/features/2024-10-19T10:49:30Z", "write YYYY-MM-DD HH:MM:00"),
        ("/features?from=noon", "write YYYY-MM-DD HH:MM:00"),
        ("/features?from=120&to=60", "must not be later"),
        ("/features?limit=0", "limit: Input should be greater than or equal to 1"),
        ("/features?limit=1001", "limit: Input should be less than or equal to 1000"),
        ("/features?since=60", "since: Extra inputs are not permitted"),
        ("/features/latest?final=perhaps", "final: Input should be a valid boolean"),
        ("/features/latest?finale=true", "finale: Extra inputs are not permitted"),
    ],
)
def test_a_bad_parameter_is_answered_with_what_is_right(path: str, hint: str, get: Get) -> None:
    assert hint in assert_problem(get(path), 422)


def test_an_unknown_route_and_method_are_problems_too(get: Get, runtime: Runtime) -> None:
    assert "/docs" in assert_problem(get("/feature/latest"), 404)
    answer = get("/features/latest", method="POST")
    assert "POST /features/latest is not served" in assert_problem(answer, 405)
    assert answer.headers["Allow"] == "GET"
    assert requests(runtime, route="unknown", status="404") == 1


@pytest.mark.parametrize("path", ["/features/latest", f"/features/{MINUTE}", "/features"])
@pytest.mark.parametrize(
    ("failure", "retry_after"),
    [
        (TransientError("The store is throttled."), "1"),
        (TransientError("The store is throttled.", retry_after_s=2.1), "3"),
        (FatalError("The store refuses for good."), "1"),
    ],
)
def test_a_store_that_is_down_is_unavailable_and_not_missing(
    path: str, failure: Exception, retry_after: str, get: Get, store: Any
) -> None:
    store.failure = failure
    answer = get(path)
    assert assert_problem(answer, 503) == str(failure)
    assert answer.headers["Retry-After"] == retry_after
    store.failure = None
    assert get(path).status_code in {200, 404}


@pytest.mark.parametrize("path", ["/features/latest", f"/features/{MINUTE}", "/features"])
@pytest.mark.parametrize("feed_clock", [FeedClock()], ids=["unknown"])
def test_without_a_feed_clock_nothing_is_served(path: str, feed_clock: FeedClock, get: Get) -> None:
    answer = get(path)
    assert "start a poller" in assert_problem(answer, 503)
    assert answer.headers["Retry-After"] == "1"


def test_a_defect_is_a_problem_that_tells_nothing_of_the_inside(
    get: Get, store: Any, runtime: Runtime
) -> None:
    store.failure = RuntimeError("secret")
    assert "secret" not in assert_problem(get("/features/latest"), 500)
    assert requests(runtime, route="/features/latest", status="500") == 1


def test_liveness_asks_nobody(get: Get, store: Any) -> None:
    store.failure = TransientError("down")
    assert (get("/healthz").status_code, store.looks) == (200, [])


def test_readiness_says_what_is_missing_and_when_it_stops(get: Get, runtime: Runtime) -> None:
    runtime.health.wait_for("the feed's clock")
    answer = get("/readyz")
    assert (answer.status_code, answer.text) == (503, "waiting for the feed's clock\n")
    runtime.health.has("the feed's clock")
    assert get("/readyz").status_code == 200
    runtime.stop.set()
    assert get("/readyz").status_code == 503


def test_metrics_are_served(get: Get) -> None:
    get("/healthz")
    assert 'txf_api_requests_total{route="/healthz",status="200"} 1.0' in get("/metrics").text


def test_the_documentation_shows_every_feature_with_its_unit(get: Get) -> None:
    shown = get("/openapi.json").json()["components"]["schemas"]["FeatureRow"]["properties"]
    for feature in FEATURES:
        assert shown[feature.name]["description"].startswith(feature.description)
        assert feature.unit in shown[feature.name]["description"]
    assert get("/docs").status_code == 200


def test_the_documentation_shows_the_problems_of_each_route(get: Get) -> None:
    paths = get("/openapi.json").json()["paths"]
    assert set(paths) == {"/features", "/features/latest", "/features/{minute}"}
    for path in paths.values():
        answers = path["get"]["responses"]
        assert set(answers) - {"404"} == {"200", "422", "503"}
        assert list(answers["503"]["content"]) == ["application/problem+json"]
