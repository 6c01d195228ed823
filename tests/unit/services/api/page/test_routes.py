import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from txfeatures_api import problems
from txfeatures_api.head import HeadAsGet
from txfeatures_api.page.assets import load
from txfeatures_api.page.routes import add_page

VERSION = load().version


def request(path: str, method: str = "GET", **options: Any) -> httpx.Response:
    app = FastAPI()
    app.add_middleware(HeadAsGet)
    problems.install(app)
    add_page(app)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, **options)

    return asyncio.run(ask())


def test_the_page_is_html_that_is_revalidated() -> None:
    answer = request("/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("page.css", "text/css; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_files_are_kept_for_ever(name: str, media_type: str) -> None:
    answer = request(f"/assets/{VERSION}/{name}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == media_type
    assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/", f"/assets/{VERSION}/page.js"])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_known_answer_is_not_sent_again(path: str, encoding: str) -> None:
    accept = {"Accept-Encoding": encoding}
    tag = request(path, headers=accept).headers["ETag"]
    answer = request(path, headers=accept | {"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_compressed_and_plain_bytes_have_tags_of_their_own() -> None:
    tags = {
        request("/", headers={"Accept-Encoding": each}).headers["ETag"] for each in ("gzip", "br")
    }
    assert len(tags) == 2


@pytest.mark.parametrize("path", ["/", f"/assets/{VERSION}/page.css"])
def test_head_has_the_headers_and_no_body(path: str) -> None:
    answer = request(path, "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["ETag"] == request(path).headers["ETag"]


@pytest.mark.parametrize("path", ["/", f"/assets/{VERSION}/page.js"])
def test_the_policy_allows_this_host_alone(path: str) -> None:
    policy = request(path).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/assets/0123456789abcdef/page.js",
        f"/assets/{VERSION}/index.html",
        f"/assets/{VERSION}/..%2f__init__.py",
    ],
)
def test_other_files_are_not_served(path: str) -> None:
    assert request(path).status_code == 404
