import asyncio

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import Response

from tests.support.declared import DEFAULT
from tests.unit.services.api.conftest import MemoryStore
from txfeatures.process.runtime import Runtime
from txfeatures_api.features import open_features
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.pipeline import Pipeline
from txfeatures_api.routes import create_app
from txfeatures_api.settings import Settings


@pytest.fixture
def app(store: MemoryStore, pipeline: Pipeline, runtime: Runtime) -> FastAPI:
    features = open_features(Settings(), store, FeedClock(), runtime, DEFAULT)
    app = create_app(features=features, pipeline=pipeline, runtime=runtime)
    app.get("/answer")(lambda: Response("body", headers={"ETag": '"1"'}))
    return app


def request(app: FastAPI, method: str, path: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path)

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/answer", 200),
        ("/docs", 200),
        ("/openapi.json", 200),
        ("/features/latest", 503),
        ("/features/2024-10-19 10:49:00", 503),
        ("/v1/features/stream", 503),
        ("/features?limit=0", 422),
        ("/nothing", 404),
    ],
)
def test_head_is_answered_as_get_without_the_body(app: FastAPI, path: str, status: int) -> None:
    got, head = request(app, "GET", path), request(app, "HEAD", path)
    assert (head.status_code, head.content) == (status, b"")
    assert head.headers == got.headers


def test_head_is_counted_with_its_route(app: FastAPI, runtime: Runtime) -> None:
    request(app, "HEAD", "/answer")
    labels = {"route": "/answer", "status": "200"}
    assert runtime.metrics.registry.get_sample_value("txf_api_requests_total", labels) == 1
