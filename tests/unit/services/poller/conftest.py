from collections.abc import Iterator

import pytest

from tests.unit.services.poller.scripted_server import ScriptedServer, scripted_server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server
