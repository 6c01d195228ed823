"""The features step with stand-ins for Kafka and the Feature Store."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.service.fs_writer.fakes import DeadLetters, FeatureStore, Log, Refuse
from tests.support.declared import FEATURES
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import Record
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, Step
from txfeatures_fs_writer.features import build_features
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.ports import StoreUnavailableError
from txfeatures_fs_writer.settings import Settings

THROTTLED = StoreUnavailableError("ThrottlingException", "Feature Store: slow down")


REFUSED = InvalidMessageError("store_refused", "Invalid value for feature avg_fee_1min")


THREADS = 4


def garbage(offset: int) -> Record:
    return Record(
        topic="aggregated", partition=0, offset=offset, key=b"k", value=b"\xff{", timestamp_ms=5
    )


@dataclass(slots=True, kw_only=True)
class Service:
    log: Log
    store: FeatureStore
    dead_letters: DeadLetters
    runtime: Runtime
    step: Step

    def metric(self, noun: str, **labels: str) -> float | None:
        name = f"txf_fs_writer_{noun}"
        return self.runtime.metrics.registry.get_sample_value(name, labels)


def member(
    settings: Settings,
    *,
    log: Log,
    store: FeatureStore,
    dead_letters: DeadLetters,
    pool: ThreadPoolExecutor,
) -> Service:
    """Return a member of the group, which begins at the log's commit."""
    runtime = Runtime(metrics=Metrics("fs_writer"), clock=ManualClock())
    step = build_features(
        settings,
        open_source=log.open,
        dead_letters=dead_letters,
        store=store,
        pool=pool,
        freshness=Freshness(runtime.metrics),
        runtime=runtime,
        features=FEATURES,
    )
    return Service(log=log, store=store, dead_letters=dead_letters, runtime=runtime, step=step)


Start = Callable[..., Service]


def first_times(count: int, error: InvalidMessageError | StoreUnavailableError) -> Refuse:
    left = [error] * count
    return lambda _: left.pop() if left else None
