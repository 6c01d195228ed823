"""The Python client against the api itself, over a local Feature Store."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import boto3
import pytest
from featurestore_local import LocalAws
from txfeatures.client import Features, NotFoundError, Retries, Row
from txfeatures.client.position import Position

from tests.service.api.test_api import NoPositions
from tests.support.declared import DEFAULT, EMPTY, FEATURES, row
from txfeatures.domain import wire
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, minute_start_s
from txfeatures.domain.model import Heartbeat, Record
from txfeatures.domain.topics import FEED
from txfeatures.process import aws
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, run
from txfeatures.process.settings import AwsSettings, load
from txfeatures_api.main import build
from txfeatures_api.reader import FeatureStoreReader
from txfeatures_api.server import listen
from txfeatures_api.settings import Settings

pytestmark = pytest.mark.integration

GROUP = "bitcoin-features-1min"
MINUTE_S = minute_start_s("2024-10-19 10:49:00")
FAST = Retries(first_s=0.05, max_s=0.2)


class Feed:
    """The feed's clock, as heartbeats that a test moves."""

    def __init__(self) -> None:
        self.now_s = MINUTE_S + 30

    def poll(self, timeout_s: float) -> list[Record]:
        threading.Event().wait(min(timeout_s, 0.05))
        now_ms = self.now_s * 1000
        heartbeat = Heartbeat(poller="one", poll_id=1, feed_time_ms=now_ms, outcome="ok")
        value = wire.encode_heartbeat(heartbeat)
        return [Record(topic=FEED, partition=0, offset=0, key=b"", value=value, timestamp_ms=0)]


class Api:
    """The api's steps on a port; it can be stopped and started again."""

    def __init__(self, settings: Settings, feed: Feed) -> None:
        self._settings = settings
        self._feed = feed
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._runtime = Runtime(metrics=Metrics("api"))
        listener = listen("127.0.0.1", self.port)
        self.port = listener.getsockname()[1]
        self._store = FeatureStoreReader.connect(
            self._settings.aws, FEATURES, runtime=self._runtime
        )
        steps = build(
            self._settings,
            declaration=DEFAULT,
            store=self._store,
            tail=self._feed,
            positions=NoPositions(),
            listener=listener,
            runtime=self._runtime,
        )
        self._thread = threading.Thread(target=partial(run, steps, runtime=self._runtime))
        self._thread.start()

    def stop(self) -> None:
        self._runtime.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self._store.close()


class Writer:
    """Puts rows into the feature group, as fs_writer does."""

    def __init__(self, settings: AwsSettings) -> None:
        self._client = aws.feature_store(settings)

    def put(self, minute: int, revision: int, *, is_final: bool = False) -> None:
        minute_s = MINUTE_S + 60 * minute
        event_time_ms = (minute_s + 10 * revision) * 1000 + 1
        values = row(
            EMPTY,
            minute_s=minute_s,
            event_time_ms=event_time_ms,
            revision=revision,
            is_final=is_final,
            gaps=0,
        )
        record = [{"FeatureName": n, "ValueAsString": str(v)} for n, v in values.items()]
        self._client.put_record(FeatureGroupName=GROUP, Record=record)  # type: ignore[arg-type]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    with LocalAws(settling_s=0) as local_aws:
        for name, value in {
            "AWS_ENDPOINT_URL": local_aws.endpoint_url,
            "AWS_DEFAULT_REGION": local_aws.region,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "NO_PROXY": "127.0.0.1",
            "TXF_AWS_FEATURE_GROUP": GROUP,
            "TXF_API_DRAIN_S": "0",
        }.items():
            monkeypatch.setenv(name, value)
        boto3.Session().client("sagemaker").create_feature_group(
            FeatureGroupName=GROUP,
            RecordIdentifierFeatureName=RECORD_IDENTIFIER,
            EventTimeFeatureName=EVENT_TIME,
            FeatureDefinitions=[
                {"FeatureName": feature.name, "FeatureType": feature.type} for feature in FEATURES
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
        )
        yield load(Settings)


def test_the_client_reads_the_api_and_its_stream_survives_a_restart(settings: Settings) -> None:
    feed, writer = Feed(), Writer(settings.aws)
    api = Api(settings, feed)
    api.start()
    try:
        with Features(api.url, retries=FAST) as features:
            writer.put(0, 1)
            first = latest(features)
            assert (first.tx_minute, first.revision, first.is_final) == (
                "2024-10-19 10:49:00",
                1,
                0,
            )
            with pytest.raises(NotFoundError):
                features.minute("2024-10-19 10:40")
            rows = features.stream()
            assert next(rows).id == first.id
            writer.put(0, 2)
            assert next(rows).position == Position("2024-10-19 10:49:00", 2)
            api.stop()
            feed.now_s += 120
            writer.put(1, 1)
            writer.put(0, 3, is_final=True)
            api.start()
            missed = [next(rows), next(rows)]
            rows.close()
            assert {(row.minute.minute, row.revision) for row in missed} == {(50, 1), (49, 3)}
            resumed = next(features.stream(after=first))
            assert resumed.id in {row.id for row in missed}
            assert [row.revision for row in features.rows(first.minute)] == [3, 1]
            day = first.minute - timedelta(days=1)  # more than a page, in both formats
            assert [row.revision for row in features.rows(day)] == [3, 1]
            assert list(features.history(day, frame="pandas")["revision"]) == [3, 1]
            assert features.history(day, frame="arrow")["revision"].to_pylist() == [3, 1]
    finally:
        api.stop()


def latest(features: Features) -> Row:
    """Return the newest row as soon as the api has one."""
    while True:
        try:
            return features.latest()
        except NotFoundError:
            threading.Event().wait(0.05)
