import pytest

from txfeatures_aggregator import main as module
from txfeatures_aggregator.app import create_app
from txfeatures_aggregator.settings import Settings


def test_it_serves_its_app_as_wide_as_its_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(*arguments: object, keyed_by: str) -> int:
        assert arguments == ("aggregator", Settings, create_app)
        assert keyed_by == "deduped"
        return 42

    monkeypatch.setattr(module, "serve", serve)
    assert module.main() == 42
