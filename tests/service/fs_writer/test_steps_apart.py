"""One step's outage, of the length at which a process used to give up, and the other step."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from tests.service.fs_writer.fakes import TOPIC, Archive, DeadLetters, FeatureStore, Log
from tests.service.fs_writer.features import THROTTLED, garbage
from tests.service.fs_writer.test_archive_step import SLOW_DOWN, offsets, tick, transaction
from tests.support.declared import FEATURES
from tests.support.rows import row_record
from txfeatures.archive.layout import ObjectName
from txfeatures.domain.dead_letter_limit import TooManyDeadLettersError
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, Step
from txfeatures.process.supervision import SupervisedStep
from txfeatures_fs_writer.archive import build_archive
from txfeatures_fs_writer.features import build_features
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.settings import Settings

OUTAGE_S = 600
ROUND_S = 1.0


class Bucket(Archive):
    """S3 that refuses every object while there is an outage."""

    failure: Exception | None = None

    def put(self, name: ObjectName, body: bytes, *, rows: int) -> None:
        if self.failure:
            raise self.failure
        super().put(name, body, rows=rows)


class Service:
    """Both steps, called in turn by one thread and one clock; records arrive all the time."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.clock = ManualClock()
        self.runtime = Runtime(metrics=Metrics("fs_writer"), clock=self.clock)
        self.rows, self.transactions = Log([]), Log([])
        self.bucket = Bucket()
        self.store_is_down = False
        self.store = FeatureStore(lambda _: THROTTLED if self.store_is_down else None)
        self.dead_letters = DeadLetters()
        freshness = Freshness(self.runtime.metrics)
        settings = Settings(dead_letter_limit=3)
        self.openings = {"features": 0, "archive": 0}

        def features() -> Step:
            return build_features(
                settings,
                open_source=self.rows.open,
                dead_letters=self.dead_letters,
                store=self.store,
                pool=pool,
                freshness=freshness,
                runtime=self.runtime,
                features=FEATURES,
            )

        def archive() -> Step:
            return build_archive(
                settings,
                open_source=self.transactions.open,
                topic_id=lambda: TOPIC,
                archive=self.bucket,
                freshness=freshness,
                runtime=self.runtime,
            )

        self.features = self.supervised("features", features)
        self.archive = self.supervised("archive", archive)

    def supervised(self, name: str, make: Callable[[], Step]) -> SupervisedStep:
        @contextmanager
        def open_step() -> Iterator[Step]:
            self.openings[name] += 1
            yield make()

        return SupervisedStep(name, open_step, runtime=self.runtime)

    def run_for(self, seconds: float) -> None:
        with capture_logs():  # tracebacks of a defect take long to write
            self._run_for(seconds)

    def _run_for(self, seconds: float) -> None:
        end_s = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end_s:
            self.arrive()
            self.features()
            self.archive()
            self.clock.advance(ROUND_S)

    def arrive(self) -> None:
        number = len(self.rows.records)
        self.rows.records.append(row_record(number, number, 1, final=True))
        offset = len(self.transactions.records)
        self.transactions.records += [
            transaction(offset, 60 * number),
            tick(offset + 1, 60 * number),
        ]

    def drain(self) -> None:
        end = len(self.transactions.records)
        self.transactions.records.append(tick(end, 60 * len(self.rows.records) + 300))
        while self.transactions.committed[("deduped", 0)] < end:
            self.features()
            self.archive()

    def failing(self, step: str) -> float | None:
        return self.runtime.metrics.registry.get_sample_value(
            "txf_fs_writer_step_failing", {"step": step}
        )

    def assert_nothing_is_lost_or_doubled(self) -> None:
        archived = sorted(o for body in self.bucket.objects.values() for o in offsets(body))
        sent = [r.offset for r in self.transactions.records if r.key is not None]
        assert archived == sent
        minutes = [values["tx_minute"] for values in self.store.offline]
        assert minutes == [r.key.decode() for r in self.rows.records if r.key is not None]


@pytest.fixture
def service(pool: ThreadPoolExecutor) -> Service:
    return Service(pool)


@pytest.mark.parametrize("failure", [SLOW_DOWN, FatalError("there is no bucket"), KeyError("bug")])
def test_while_s3_refuses_for_ten_minutes_rows_go_on_and_the_archive_catches_up(
    service: Service, failure: Exception
) -> None:
    service.run_for(30)
    service.bucket.failure = failure
    service.run_for(OUTAGE_S)
    assert len(service.store.offline) == len(service.rows.records)
    assert service.failing("archive") == 1
    assert service.failing("features") == 0
    assert service.runtime.health.missing() == ["the step archive"]
    assert service.openings["features"] == 1
    archived = len(service.bucket.objects)
    service.bucket.failure = None
    service.run_for(60)
    assert len(service.bucket.objects) > archived
    assert service.failing("archive") == 0
    assert service.runtime.health.missing() == []
    service.drain()
    service.assert_nothing_is_lost_or_doubled()


def test_while_the_feature_store_refuses_the_archive_goes_on_and_rows_catch_up(
    service: Service,
) -> None:
    service.run_for(30)
    service.store_is_down = True
    before = len(service.bucket.objects)
    service.run_for(OUTAGE_S)
    assert len(service.bucket.objects) > before
    assert (
        service.transactions.records[-1].offset - max(service.transactions.committed.values()) < 12
    )
    assert service.failing("features") == 1
    assert service.failing("archive") == 0
    assert service.runtime.health.missing() == ["the step features"]
    service.store_is_down = False
    service.run_for(60)
    assert service.failing("features") == 0
    service.drain()
    service.assert_nothing_is_lost_or_doubled()


def test_counts_add_up_after_the_step_was_opened_anew(service: Service) -> None:
    service.store_is_down = True
    service.run_for(OUTAGE_S)
    assert service.openings["features"] > 1
    service.store_is_down = False
    service.drain()
    value = service.runtime.metrics.registry.get_sample_value
    read = value("txf_fs_writer_records_total", {"direction": "in", "topic": "aggregated"})
    assert read == value("txf_fs_writer_rows_total", {"kind": "final"})
    assert read == len(service.rows.records)


def test_at_the_dead_letter_limit_the_archive_goes_on(service: Service) -> None:
    service.run_for(30)
    end = len(service.rows.records)
    service.rows.records += [garbage(offset) for offset in range(end, end + 4)]
    with pytest.raises(TooManyDeadLettersError):
        service.features()
    service.arrive()
    before = len(service.bucket.objects)
    for _ in range(20):
        service.arrive()
        service.archive()
    assert len(service.bucket.objects) > before
    assert service.failing("features") == 1
    assert service.rows.committed == {("aggregated", 0): end}
