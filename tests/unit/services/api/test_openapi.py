import asyncio
import json
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from docs.generate import openapi, undriven_api
from tests.support.declared import FEATURES
from txfeatures_api.edge import CONTENT_SECURITY_POLICY
from txfeatures_api.models import Answers
from txfeatures_api.openapi import operations
from txfeatures_api.problems import Problem


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return undriven_api()


def get(app: FastAPI, path: str, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


def test_every_answer_is_described_with_a_schema_and_an_example(app: FastAPI) -> None:
    document: Any = app.openapi()
    answers = Answers(FEATURES)
    models: Any = {"FeatureRow": answers.row, "FeatureRows": answers.rows, "Problem": Problem}
    count = 0
    for operation in operations(document):
        assert operation["tags"]
        assert operation["summary"]
        assert operation["description"]
        for status, answer in operation["responses"].items():
            for kind, content in answer.get("content", {}).items():
                if kind not in ("application/json", "application/problem+json"):
                    continue
                name = content["schema"]["$ref"].rpartition("/")[2]
                assert name in document["components"]["schemas"]
                assert "example" in content, (operation["operationId"], status, kind)
                if name in models:
                    models[name].model_validate(content["example"])
                    count += 1
    assert count > 0


def test_the_ways_to_authenticate_are_described_and_optional(app: FastAPI) -> None:
    document = app.openapi()
    assert document["security"] == [{}, {"token": []}, {"oidc": []}]
    assert set(document["components"]["securitySchemes"]) == {"token", "oidc"}


def test_the_checked_in_description_is_the_served_one(app: FastAPI) -> None:
    assert json.loads(openapi()) == get(app, "/openapi.json").json()


def test_the_documentation_needs_no_internet_and_no_inline_script(app: FastAPI) -> None:
    page = get(app, "/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "docs/swagger-ui-bundle.js" in addresses
    for address in addresses:
        if address != "data:,":
            assert get(app, f"/{address}").status_code == 200, address
    assert not re.search(r"<script>|<style|\son\w+=", page.text)
    assert "script-src 'self'" in CONTENT_SECURITY_POLICY


def test_the_documentations_files_are_compressed_and_revalidated(app: FastAPI) -> None:
    path = "/docs/swagger-ui-bundle.js"
    plain, packed = (get(app, path, **{"Accept-Encoding": kind}) for kind in ("identity", "gzip"))
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.content == packed.content
    assert len(plain.content) > 1_000_000
    tag = plain.headers["ETag"]
    assert get(app, path, **{"If-None-Match": tag}).status_code == 304
    assert get(app, "/docs/LICENSE").status_code == 404
