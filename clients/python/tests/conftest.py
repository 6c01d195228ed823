from collections.abc import Iterator

import pytest

from client_support.clients import Client
from client_support.scripted_api import ScriptedApi, scripted_api


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApi]:
    for name in ("TXFEATURES_URL", "TXFEATURES_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with scripted_api() as api:
        yield api


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, api: ScriptedApi) -> Client:
    return Client(request.param, api.url)
