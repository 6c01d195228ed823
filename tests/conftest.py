from collections.abc import Iterator

import pytest

from tests.support.scripted_source import ScriptedServer, scripted_server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server
