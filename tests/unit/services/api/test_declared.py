import asyncio

import httpx
import pytest
from fastapi import FastAPI

from tests.support.declared import FEATURES
from txfeatures_api.declared import add_declared


@pytest.mark.parametrize("path", ["/v1/features/declared", "/features/declared"])
def test_every_declared_feature_is_listed_in_its_order(path: str) -> None:
    app = FastAPI()
    add_declared(app, FEATURES)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api"
        ) as client:
            return await client.get(path)

    found = asyncio.run(ask()).json()["features"]
    assert [each["name"] for each in found] == [feature.name for feature in FEATURES]
    [rate] = [each for each in found if each["name"] == "fee_rate_p50_1min"]
    assert rate["type"] == "Fractional"
    assert rate["unit"] == "satoshi/vbyte"
    assert rate["description"]
    assert rate["error"].startswith("1 %")
