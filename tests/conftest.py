import atexit
import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.scripted_source import ScriptedServer, scripted_server

# Examples have no deadline: tests never assert a time.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_configure() -> None:
    gc.set_threshold(
        100_000, 50, 100
    )  # thousands of tests stay: to look at them often costs a fifth
    atexit.register(silence_native_exit)


def silence_native_exit() -> None:
    """Keep pytest's closing line the last one.

    DuckDB's binding lists on standard error what of itself is still referred to when the
    interpreter is gone, which says nothing of a test. Registered first, this runs last.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server
