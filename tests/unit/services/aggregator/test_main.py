from contextlib import ExitStack
from functools import partial

import pytest

from txfeatures.domain.features import default
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.shell import Program
from txfeatures_aggregator import main as module
from txfeatures_aggregator.app import create_app
from txfeatures_aggregator.settings import Settings


def test_it_runs_its_app_as_wide_as_its_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> int:
        return 42

    settings, runtime = Settings(), Runtime(metrics=Metrics("aggregator"))

    def worker(*arguments: object, keyed_by: str) -> Program:
        app, *others = arguments
        assert isinstance(app, partial)
        assert app.func is create_app
        assert app.keywords == {"declaration": default()}
        assert others == [settings, runtime, stack]
        assert keyed_by == "deduped"
        return program

    monkeypatch.setattr(module, "worker", worker)
    with ExitStack() as stack:
        assert module.build(settings, runtime, stack) is program
