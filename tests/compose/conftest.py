"""Fixtures for Docker Compose: images built once, and a stack per test that uses one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compose.stack import BASE, BUILD_TIMEOUT_S, Compose, docker, no_engine


@pytest.fixture(scope="session")
def images() -> None:
    """Build all images; skip the test if there is no engine."""
    if reason := no_engine(compose=True):
        pytest.skip(reason)
    docker("compose", "-f", str(BASE), "build", "--quiet", timeout_s=BUILD_TIMEOUT_S)


StartCompose = Callable[..., Compose]


@pytest.fixture
def start(images: None) -> Iterator[StartCompose]:
    """Return a function that starts the stack; it is removed after the test."""
    opened: list[Compose] = []

    def start(name: str, *files: Path, **options: Path) -> Compose:
        opened.append(Compose(f"txfeatures-test-{name}", BASE, *files, **options))
        opened[-1].up()
        return opened[-1]

    try:
        yield start
    finally:
        for stack in opened:
            stack.down()
