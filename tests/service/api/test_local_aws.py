from collections.abc import Callable, Iterator

import boto3
import httpx
import pytest
from featurestore_local import LocalAws

from tests.support.declared import EMPTY, FEATURES, row
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, minute_start_s
from txfeatures.domain.model import Row
from txfeatures.process import aws
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings
from txfeatures_api.reader import FeatureStoreReader

pytestmark = pytest.mark.integration

MINUTE_S = minute_start_s("2024-10-19 10:49:00")
GROUP = "bitcoin-features-1min"


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAws]:
    with LocalAws(settling_s=0) as local_aws:
        boto3.Session("any", "any", region_name=local_aws.region).client(
            "sagemaker", endpoint_url=local_aws.endpoint_url
        ).create_feature_group(
            FeatureGroupName=GROUP,
            RecordIdentifierFeatureName=RECORD_IDENTIFIER,
            EventTimeFeatureName=EVENT_TIME,
            FeatureDefinitions=[
                {"FeatureName": feature.name, "FeatureType": feature.type} for feature in FEATURES
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
        )
        yield local_aws


@pytest.fixture
def settings(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> AwsSettings:
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", local_aws.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    return AwsSettings(feature_group=GROUP, timeout_s=1)


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(metrics=Metrics("api"))


@pytest.fixture
def reader(settings: AwsSettings, runtime: Runtime) -> Iterator[FeatureStoreReader]:
    reader = FeatureStoreReader.connect(settings, runtime=runtime, features=FEATURES)
    yield reader
    reader.close()


@pytest.fixture
def put(settings: AwsSettings) -> Iterator[Callable[[Row], None]]:
    client = aws.feature_store(settings)

    def put(each: Row) -> None:
        values = [
            {"FeatureName": name, "ValueAsString": str(value)} for name, value in each.items()
        ]
        client.put_record(FeatureGroupName=GROUP, Record=values)  # type: ignore[arg-type]

    yield put
    client.close()


@pytest.fixture
def order(local_aws: LocalAws) -> Iterator[Callable[..., None]]:
    with httpx.Client(base_url=local_aws.endpoint_url, trust_env=False) as client:

        def order(error: str, **options: object) -> None:
            fault = {"operation": "BatchGetRecord", "error": error, **options}
            client.post("/_local/faults", json=[fault]).raise_for_status()

        yield order
        client.delete("/_local/faults")


def make_row(minute_s: int) -> Row:
    event_time_ms = minute_s * 1000 + 61_001
    return row(
        EMPTY, minute_s=minute_s, event_time_ms=event_time_ms, revision=1, is_final=True, gaps=0
    )


def test_rows_are_read_as_they_were_put(
    reader: FeatureStoreReader, put: Callable[[Row], None]
) -> None:
    minutes = [MINUTE_S + 60 * number for number in range(150)]
    rows = [make_row(minute_s) for minute_s in minutes[::30]]
    for each in rows:
        put(each)
    found = sorted(reader.read(minutes), key=lambda each: str(each["tx_minute"]))
    assert found == rows


@pytest.mark.parametrize(
    "error", ["ThrottlingException", "InternalFailure", "ServiceUnavailable", "unprocessed", "drop"]
)
def test_a_bad_moment_of_the_store_is_not_seen(
    error: str,
    reader: FeatureStoreReader,
    put: Callable[[Row], None],
    order: Callable[..., None],
) -> None:
    put(make_row(MINUTE_S))
    order(error, times=2)
    assert reader.read([MINUTE_S]) == [make_row(MINUTE_S)]


def test_a_store_that_hangs_is_an_error_in_time(
    reader: FeatureStoreReader, order: Callable[..., None]
) -> None:
    order("hang", hang_s=3)
    with pytest.raises(TransientError, match="in time"):
        reader.read([MINUTE_S])


def test_a_store_that_is_gone_is_an_error(
    monkeypatch: pytest.MonkeyPatch, settings: AwsSettings, runtime: Runtime
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    reader = FeatureStoreReader.connect(settings, runtime=runtime, features=FEATURES)
    with pytest.raises(TransientError, match="EndpointConnectionError"):
        reader.read([MINUTE_S])
    reader.close()


def test_a_feature_group_that_does_not_exist_is_said(
    settings: AwsSettings, runtime: Runtime
) -> None:
    missing = settings.model_copy(update={"feature_group": "nobody"})
    reader = FeatureStoreReader.connect(missing, runtime=runtime, features=FEATURES)
    with pytest.raises(FatalError, match=r"nobody: a resource is missing .* TXF_AWS_FEATURE_GROUP"):
        reader.read([MINUTE_S])
    reader.close()


def test_a_missing_permission_is_said(
    reader: FeatureStoreReader, order: Callable[..., None]
) -> None:
    order("AccessForbidden")
    with pytest.raises(FatalError, match="the permissions"):
        reader.read([MINUTE_S])
