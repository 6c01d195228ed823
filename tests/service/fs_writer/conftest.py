from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.fs_writer.freshness import Freshness
from services.fs_writer.main import build_features
from services.fs_writer.settings import Settings
from tests.service.fs_writer.fakes import DeadLetters, FeatureStore, Log, Refuse
from tests.service.fs_writer.features import THREADS, Service, Start
from txfeatures.clock import ManualClock
from txfeatures.metrics import Metrics
from txfeatures.model import Record
from txfeatures.runtime import Runtime


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


@pytest.fixture
def start(pool: ThreadPoolExecutor) -> Start:
    def start(*records: Record, refuse: Refuse = lambda _: None, **changes: int) -> Service:
        log, store, dead_letters = Log(records), FeatureStore(refuse), DeadLetters()
        runtime = Runtime(metrics=Metrics("fs_writer"), clock=ManualClock())
        step = build_features(
            Settings.model_validate(changes),
            open_source=log.open,
            dead_letters=dead_letters,
            store=store,
            pool=pool,
            freshness=Freshness(runtime.metrics),
            runtime=runtime,
        )
        return Service(log=log, store=store, dead_letters=dead_letters, runtime=runtime, step=step)

    return start
