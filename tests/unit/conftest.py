from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def aws_at_its_own_address() -> Iterator[None]:
    """Whatever a developer's shell names: moto stands in for AWS's own addresses only."""
    with pytest.MonkeyPatch.context() as environ:
        environ.delenv("AWS_ENDPOINT_URL", raising=False)
        yield
