import asyncio
import contextlib
import csv
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pyarrow import ipc, parquet

from tests.support.declared import DEFAULT, FEATURES
from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Heartbeat, Record, Row
from txfeatures.process.clock import ManualClock
from txfeatures.process.runtime import Runtime
from txfeatures_api import formats
from txfeatures_api.features import open_features
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.models import Answers
from txfeatures_api.pipeline import Pipeline
from txfeatures_api.problems import Problem
from txfeatures_api.routes import create_app
from txfeatures_api.rows import OPEN_S, UNREAD
from txfeatures_api.settings import Settings

MakeRow = Callable[..., Row]
Get = Callable[..., httpx.Response]

MINUTE = "2024-10-19 10:49:00"
MINUTE_S = minute_start_s(MINUTE)
FEED_TIME_MS = (MINUTE_S + 45) * 1000

ANSWERS = Answers(FEATURES)


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
def get(
    store: Any, feed_clock: FeedClock, pipeline: Pipeline, clock: ManualClock, runtime: Runtime
) -> Get:
    features = open_features(Settings(), store, feed_clock, runtime, DEFAULT)
    app = create_app(features=features, pipeline=pipeline, runtime=runtime)

    def get(path: str, method: str = "GET", **options: Any) -> httpx.Response:
        clock.advance(OPEN_S)
        with contextlib.suppress(TransientError, FatalError, RuntimeError):  # the step's work
            features.watch.read(clock.monotonic())

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
    ANSWERS.row.model_validate_json(answer.content, strict=True)
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
    ANSWERS.row.model_validate_json(answer.content, strict=True)


def test_a_range_is_ascending_and_says_where_it_goes_on(
    get: Get, store: Any, make_row: MakeRow
) -> None:
    store.put(*(make_row(minute_name(MINUTE_S - 60 * age)) for age in range(100)))
    answer = get("/features", params={"from": MINUTE_S - 600, "to": MINUTE, "limit": 4})
    assert [row["tx_minute"][-5:-3] for row in answer.json()["rows"]] == ["39", "40", "41", "42"]
    first, last = MINUTE_S - 360, MINUTE_S
    assert answer.json()["next"] == f"{first}-{last}"
    rest = get("/features", params={"cursor": answer.json()["next"], "limit": 100}).json()
    assert [row["tx_minute"][-5:-3] for row in rest["rows"]] == [str(n) for n in range(43, 50)]
    assert rest["next"] is None
    ANSWERS.rows.model_validate_json(answer.content, strict=True)


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
    assert answer.headers["Allow"] == "GET, HEAD"
    assert requests(runtime, route="unknown", status="404") == 1


@pytest.mark.parametrize("path", [f"/features/{MINUTE}", "/features"])
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
    assert assert_problem(answer, 503) == UNREAD
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
    assert "secret" not in assert_problem(get("/features"), 500)
    assert requests(runtime, route="/features", status="500") == 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_the_operations_endpoints_are_not_served_on_the_public_port(path: str, get: Get) -> None:
    assert_problem(get(path), 404)


def test_the_documentation_shows_every_feature_with_its_unit(get: Get) -> None:
    shown = get("/openapi.json").json()["components"]["schemas"]["FeatureRow"]["properties"]
    for feature in FEATURES:
        assert shown[feature.name]["description"].startswith(feature.description)
        assert feature.unit in shown[feature.name]["description"]
    assert get("/docs").status_code == 200


def test_the_documentation_shows_the_problems_of_each_route(get: Get) -> None:
    paths = get("/openapi.json").json()["paths"]
    names = ("", "/declared", "/latest", "/stream", "/{minute}")
    assert set(paths) == {f"/v1/features{name}" for name in names} | {"/v1/pipeline"}
    del paths["/v1/features/declared"]  # it can't fail
    for path in paths.values():
        answers = path["get"]["responses"]
        others = {"401", "404", "406", "429", "default"}
        assert set(answers) - others in ({"200", "422", "503"}, {"200", "503"})
        assert list(answers["503"]["content"]) == ["application/problem+json"]


def test_the_old_paths_are_aliases_of_the_new_ones(get: Get, store: Any, make_row: MakeRow) -> None:
    store.put(make_row(MINUTE))
    for path in ("/features/latest", f"/features/{MINUTE}", "/features"):
        assert get(path).content == get(f"/v1{path}").content


def test_a_failing_store_leaves_the_latest_row_for_a_while_and_then_is_said(
    get: Get, store: Any, make_row: MakeRow, clock: ManualClock
) -> None:
    assert assert_problem(get("/v1/features/latest"), 404)
    store.put(make_row(MINUTE))
    assert get("/v1/features/latest").status_code == 200
    store.failure = TransientError("ThrottlingException")
    assert assert_problem(get("/v1/features/latest"), 503) == UNREAD


def test_only_the_requested_fields_come_with_the_rows_identity(
    get: Get, store: Any, make_row: MakeRow
) -> None:
    store.put(make_row(MINUTE))
    names = {"tx_minute", "revision", "event_time", "staleness_s", "as_of"}
    for path in ("latest", MINUTE):
        assert set(get(f"/v1/features/{path}?fields=event_time").json()) == names
    [row] = get("/v1/features?fields=event_time").json()["rows"]
    assert set(row) == names
    problem = assert_problem(get("/v1/features/latest?fields=event_time,fee"), 422)
    assert problem == "fields: fee is not declared; /v1/features/declared lists the names."


def test_a_row_older_than_the_client_allows_is_unavailable(
    get: Get, store: Any, make_row: MakeRow
) -> None:
    store.put(make_row(MINUTE, known_after_s=40))
    assert get("/v1/features/latest?max_staleness=5").status_code == 200
    answer = get("/v1/features/latest?max_staleness=4.9")
    assert "more than max_staleness allows" in assert_problem(answer, 503)
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("media_type", formats.FORMATS[1:])
def test_a_range_comes_in_the_format_of_accept(
    media_type: str, get: Get, store: Any, make_row: MakeRow
) -> None:
    store.put(*(make_row(minute_name(MINUTE_S - 60 * age)) for age in range(3)))
    params: dict[str, Any] = {"limit": 2, "from": MINUTE_S - 120, "fields": "event_time"}
    answer = get("/v1/features", params=params, headers={"Accept": media_type})
    assert answer.headers["Content-Type"].partition(";")[0] == media_type
    cursor = f"{MINUTE_S}-{MINUTE_S}"
    link = f'</v1/features?cursor={cursor}&limit=2&fields=event_time>; rel="next"'
    assert answer.headers["Link"] == link
    assert read_table(answer) == [
        {name: row[name] for name in ("tx_minute", "event_time", "revision")}
        for row in (make_row(minute_name(MINUTE_S - 60 * age)) for age in (2, 1))
    ]


def read_table(answer: httpx.Response) -> list[dict[str, Any]]:
    kind = answer.headers["Content-Type"].partition(";")[0]
    if kind == formats.CSV:
        return [
            {**row, "event_time": float(row["event_time"]), "revision": int(row["revision"])}
            for row in csv.DictReader(io.StringIO(answer.text))
        ]
    if kind == formats.PARQUET:
        found = parquet.read_table(io.BytesIO(answer.content))
    else:
        found = ipc.open_stream(answer.content).read_all()
    return [dict(row) for row in found.to_pylist()]


def test_a_range_that_has_not_changed_has_no_body(get: Get, store: Any, make_row: MakeRow) -> None:
    store.put(make_row(MINUTE))
    first = get("/v1/features")
    assert first.headers["Last-Modified"] == "Sat, 19 Oct 2024 10:49:30 GMT"
    tag = first.headers["ETag"]
    assert get("/v1/features", headers={"If-None-Match": tag}).status_code == 304
    as_csv = get("/v1/features", headers={"If-None-Match": tag, "Accept": "text/csv"})
    assert as_csv.status_code == 200
    store.put(make_row(MINUTE, revision=2))
    assert get("/v1/features", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "text/csv;q=none"])
def test_a_format_that_is_not_served_is_answered_with_those_that_are(accept: str, get: Get) -> None:
    problem = assert_problem(get("/v1/features", headers={"Accept": accept}), 406)
    assert "text/csv" in problem


@pytest.mark.parametrize(
    "path", ["?cursor=noon", "?cursor=61-120", "?cursor=0-60&from=0", "/stream?last_event_id=1"]
)
def test_what_the_api_did_not_send_is_no_position(path: str, get: Get) -> None:
    assert assert_problem(get(f"/v1/features{path}"), 422)
