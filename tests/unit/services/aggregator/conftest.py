import pytest

from tests.unit.services.aggregator.merging import Merging


@pytest.fixture
def merging() -> Merging:
    return Merging()
