"""The api on the local Feature Store: what load costs, and streams across a restart."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import boto3
import httpx
import pytest
from featurestore_local import LocalAws

from tests.service.api.test_api import QueueTail, serving
from tests.support.declared import EMPTY, FEATURES, row
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, minute_start_s
from txfeatures.domain.model import Row
from txfeatures.process import aws
from txfeatures.process.clock import SystemClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings
from txfeatures_api.reader import FeatureStoreReader

pytestmark = pytest.mark.integration

NOW_S = minute_start_s("2031-01-10 00:00:00")
GROUP = "bitcoin-features-1min"
RANGES = 300

Put = Callable[..., None]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsSettings]:
    with LocalAws(settling_s=0) as local_aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.endpoint_url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", local_aws.region)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        boto3.Session().client("sagemaker").create_feature_group(
            FeatureGroupName=GROUP,
            RecordIdentifierFeatureName=RECORD_IDENTIFIER,
            EventTimeFeatureName=EVENT_TIME,
            FeatureDefinitions=[
                {"FeatureName": feature.name, "FeatureType": feature.type} for feature in FEATURES
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
        )
        yield AwsSettings(feature_group=GROUP)


@pytest.fixture
def put(settings: AwsSettings) -> Iterator[Put]:
    with closing(aws.feature_store(settings)) as client:

        def put(minute_s: int, revision: int = 1, *, known_s: int) -> None:
            each = row(
                EMPTY,
                minute_s=minute_s,
                event_time_ms=known_s * 1000 + revision,
                revision=revision,
                is_final=True,
                gaps=0,
            )
            values = [{"FeatureName": n, "ValueAsString": str(v)} for n, v in each.items()]
            client.put_record(FeatureGroupName=GROUP, Record=values)  # type: ignore[arg-type]

        yield put


@pytest.fixture
def reader(settings: AwsSettings) -> Iterator[FeatureStoreReader]:
    runtime = Runtime(metrics=Metrics("api"))
    with closing(FeatureStoreReader.connect(settings, FEATURES, runtime=runtime)) as reader:
        yield reader


@pytest.fixture
def tail() -> QueueTail:
    tail = QueueTail()
    tail.push(NOW_S + 59)
    return tail


class Counting:
    """The reader, with the calls of ranges, which are whole blocks, apart."""

    def __init__(self, reader: FeatureStoreReader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self.blocks = 0

    def read(self, minutes: Sequence[int]) -> list[Row]:
        with self._lock:
            self.blocks += len(minutes) == 100
        return self._reader.read(minutes)


def test_three_hundred_long_ranges_cost_at_most_fifteen_calls(
    reader: FeatureStoreReader, put: Put, tail: QueueTail
) -> None:
    for age in (0, 5, 700, 1_250):
        put(NOW_S - 60 * age, known_s=NOW_S - 60 * age + 120)
    store = Counting(reader)
    with serving(store, tail) as service:
        service.wait_until_ready()
        paths = [f"/v1/features?limit=1000&to={NOW_S - 60 * age}" for age in range(RANGES)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(service.get, paths))
        assert [len(answer.json()["rows"]) for answer in answers[:2]] == [3, 2]
        assert {answer.status_code for answer in answers} == {200}
    assert 0 < store.blocks <= 15


def test_a_stream_that_is_resumed_after_a_restart_misses_nothing(
    reader: FeatureStoreReader, put: Put, tail: QueueTail
) -> None:
    put(NOW_S - 60, known_s=NOW_S + 1)
    with serving(reader, tail) as service:
        service.wait_until_ready()
        with service._client.stream("GET", "/v1/features/stream") as stream:
            lines = stream.iter_lines()
            first = next(line for line in lines if line.startswith("id: "))
            put(NOW_S, known_s=NOW_S + 10)
            second = next(line for line in lines if line.startswith("id: "))
            service.runtime.stop.set()
            assert [line for line in lines if line.startswith("id: ")] == []
    assert (first, second) == ("id: 2031-01-09T23:59:00Z/1", "id: 2031-01-10T00:00:00Z/1")
    put(NOW_S - 600, 2, known_s=NOW_S + 20)  # a correction
    put(NOW_S, 3, known_s=NOW_S + 30)
    tail.push(NOW_S + 59)
    with serving(reader, tail) as service:
        service.wait_until_ready()
        headers = {"Last-Event-ID": second.removeprefix("id: ")}
        missed = read_ids(service._client, headers, until="2031-01-10T00:00:00Z/3")
    # The client's last row was replaced, so the one before it comes again.
    again = "2031-01-09T23:59:00Z/1"
    assert missed == [again, "2031-01-09T23:50:00Z/2", "2031-01-10T00:00:00Z/3"]


def read_ids(client: httpx.Client, headers: dict[str, str], *, until: str) -> list[str]:
    clock = SystemClock()
    ids: list[str] = []
    deadline_s = clock.monotonic() + 30
    with client.stream("GET", "/v1/features/stream", headers=headers) as stream:
        for line in stream.iter_lines():
            assert clock.monotonic() < deadline_s
            if line.startswith("id: "):
                ids.append(line.removeprefix("id: "))
            if ids and ids[-1] == until:
                break
    return ids
