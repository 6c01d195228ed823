from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.service.fs_writer.fakes import DeadLetters, FeatureStore, Log, Refuse
from tests.service.fs_writer.features import THREADS, Service, Start, member
from txfeatures.domain.model import Record
from txfeatures_fs_writer.settings import Settings


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


@pytest.fixture
def start(pool: ThreadPoolExecutor) -> Start:
    def start(*records: Record, refuse: Refuse = lambda _: None, **changes: int) -> Service:
        return member(
            Settings.model_validate(changes),
            log=Log(records),
            store=FeatureStore(refuse),
            dead_letters=DeadLetters(),
            pool=pool,
        )

    return start
