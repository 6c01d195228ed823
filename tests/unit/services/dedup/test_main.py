import pytest

from txfeatures_dedup import main as module
from txfeatures_dedup.app import create_app
from txfeatures_dedup.settings import Settings


def test_it_serves_its_app_as_wide_as_its_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(*arguments: object, keyed_by: str) -> int:
        assert arguments == ("dedup", Settings, create_app)
        assert keyed_by == "raw"
        return 42

    monkeypatch.setattr(module, "serve", serve)
    assert module.main() == 42
