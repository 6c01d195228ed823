from collections.abc import Iterator
from typing import Any

import pytest
import structlog


@pytest.fixture(autouse=True, scope="session")
def aws_at_its_own_address() -> Iterator[None]:
    """Whatever a developer's shell names: moto stands in for AWS's own addresses only."""
    with pytest.MonkeyPatch.context() as environ:
        environ.delenv("AWS_ENDPOINT_URL", raising=False)
        yield


@pytest.fixture(autouse=True, scope="session")
def loggers_stay_open_to_capture() -> Iterator[None]:
    """A command that configures logging would else hide its loggers from ``capture_logs``."""
    configure = structlog.configure

    def without_cache(**options: Any) -> None:
        configure(**options | {"cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(structlog, "configure", without_cache)
        yield
