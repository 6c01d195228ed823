from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber

from txfeatures import aws
from txfeatures import bootstrap as module
from txfeatures.bootstrap import FEATURE_GROUP_TIMEOUT_S, BootstrapSettings, bootstrap
from txfeatures.clock import ManualClock
from txfeatures.errors import FatalError, TransientError
from txfeatures.features import FEATURES
from txfeatures.metrics import Metrics
from txfeatures.runtime import Runtime
from txfeatures.settings import AwsSettings, KafkaSettings
from txfeatures.topics import TOPICS, Topic

GROUP = "bitcoin-features-1min"
ARN = f"arn:aws:sagemaker:eu-west-1:123456789012:feature-group/{GROUP}"
DEFINITIONS = [{"FeatureName": f.name, "FeatureType": f.type} for f in FEATURES]


class Admin:
    """Kafka for operators, with no topic there yet but those named."""

    existing: Sequence[str] = ()
    asked: dict[str, Any]

    def __init__(self, settings: KafkaSettings) -> None: ...

    def create(self, topics: Sequence[Topic], **asked: Any) -> list[str]:
        type(self).asked = asked
        return [topic.name for topic in topics if topic.name not in self.existing]


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> type[Admin]:
    fake = type("FreshAdmin", (Admin,), {})
    monkeypatch.setattr(module, "KafkaAdmin", fake)
    return fake


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(metrics=Metrics("bootstrap"), clock=ManualClock())


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch, admin: type[Admin]) -> Iterator[dict[str, Stubber]]:
    """Stubs of S3 and SageMaker; each fails on a call that was not expected."""
    session = boto3.Session("local", "local", region_name="eu-west-1")
    found = {}
    for name in ("s3", "sagemaker"):
        client = session.client(name)
        monkeypatch.setattr(aws, name, lambda _, client=client: client)
        found[name] = Stubber(client)
        found[name].activate()
    yield found
    for stub in found.values():
        stub.assert_no_pending_responses()


@pytest.fixture
def run(runtime: Runtime) -> Callable[[], list[str]]:
    """Return bootstrap, which returns what it said."""

    def run() -> list[str]:
        said: list[str] = []
        bootstrap(BootstrapSettings(), runtime=runtime, say=said.append)
        return said

    return run


def described(status: str = "Created", **other: object) -> dict[str, object]:
    return {
        "FeatureGroupArn": ARN,
        "FeatureGroupName": GROUP,
        "RecordIdentifierFeatureName": "tx_minute",
        "EventTimeFeatureName": "event_time",
        "FeatureDefinitions": DEFINITIONS,
        "CreationTime": 0,
        "NextToken": "",
        "FeatureGroupStatus": status,
    } | other


def bucket_is_there(stubs: dict[str, Stubber]) -> None:
    stubs["s3"].add_response("head_bucket", {}, {"Bucket": "txfeatures"})


def group_is_missing(stubs: dict[str, Stubber]) -> None:
    stubs["sagemaker"].add_client_error(
        "describe_feature_group", "ResourceNotFound", http_status_code=400
    )


def group_is_made(stubs: dict[str, Stubber]) -> None:
    stubs["sagemaker"].add_response(
        "create_feature_group",
        {"FeatureGroupArn": ARN},
        {
            "FeatureGroupName": GROUP,
            "RecordIdentifierFeatureName": "tx_minute",
            "EventTimeFeatureName": "event_time",
            "FeatureDefinitions": DEFINITIONS,
            "OnlineStoreConfig": {"EnableOnlineStore": True},
            "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://txfeatures/feature-store"}},
            "RoleArn": AwsSettings().role_arn.get_secret_value(),
            "Description": ANY,
        },
    )


def group_is(stubs: dict[str, Stubber], status: str = "Created", **other: Any) -> None:
    stubs["sagemaker"].add_response(
        "describe_feature_group", described(status, **other), {"FeatureGroupName": GROUP}
    )


def test_what_is_missing_is_made_and_waited_for(
    stubs: dict[str, Stubber], run: Callable[[], list[str]]
) -> None:
    stubs["s3"].add_client_error("head_bucket", "404", http_status_code=404)
    stubs["s3"].add_response(
        "create_bucket",
        {},
        {
            "Bucket": "txfeatures",
            "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"},
        },
    )
    group_is_missing(stubs)
    group_is_made(stubs)
    group_is(stubs, "Creating")
    group_is(stubs, "Created")
    assert run() == [
        f"topics: {len(TOPICS)} made, 0 there already",
        "bucket txfeatures: made",
        f"feature group {GROUP}: made",
    ]


def test_what_is_there_is_left_as_it_is(
    stubs: dict[str, Stubber], run: Callable[[], list[str]], admin: type[Admin]
) -> None:
    admin.existing = [topic.name for topic in TOPICS]
    bucket_is_there(stubs)
    group_is(stubs)
    assert run() == [
        f"topics: 0 made, {len(TOPICS)} there already",
        "bucket txfeatures: there already",
        f"feature group {GROUP}: there already",
    ]


def test_kafka_is_asked_for_what_the_settings_say(
    stubs: dict[str, Stubber], runtime: Runtime, admin: type[Admin]
) -> None:
    bucket_is_there(stubs)
    group_is(stubs)
    settings = BootstrapSettings(partitions=8, replication=1, keep_forever=True)
    bootstrap(settings, runtime=runtime, say=lambda _: None)
    assert admin.asked == {"partitions": 8, "replication": 1, "keep_forever": True}


def test_in_the_first_region_a_bucket_is_made_without_its_name(
    stubs: dict[str, Stubber], run: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stubs["s3"].client.meta.config, "region_name", "us-east-1")
    stubs["s3"].add_client_error("head_bucket", "404", http_status_code=404)
    stubs["s3"].add_response("create_bucket", {}, {"Bucket": "txfeatures"})
    group_is(stubs)
    assert "bucket txfeatures: made" in run()


def test_a_bucket_that_belongs_to_somebody_else_is_refused(
    stubs: dict[str, Stubber], run: Callable[[], list[str]]
) -> None:
    stubs["s3"].add_client_error("head_bucket", "403", "Forbidden", http_status_code=403)
    with pytest.raises(FatalError, match=r"AWS refused: .*403"):
        run()


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"FeatureDefinitions": DEFINITIONS[:-1]}, "event_time is missing, declared Fractional"),
        (
            {"FeatureDefinitions": [*DEFINITIONS, {"FeatureName": "x", "FeatureType": "String"}]},
            "x is String, declared nowhere",
        ),
        ({"RecordIdentifierFeatureName": "minute"}, "record identifier is minute, declared tx_m"),
        ({"EventTimeFeatureName": "time"}, "event time is time, declared event_time"),
    ],
)
def test_a_group_that_differs_is_refused_and_the_difference_said(
    stubs: dict[str, Stubber],
    run: Callable[[], list[str]],
    change: dict[str, Any],
    difference: str,
) -> None:
    bucket_is_there(stubs)
    group_is(stubs, **change)
    with pytest.raises(FatalError, match=difference) as caught:
        run()
    assert str(caught.value).endswith("; choose another TXF_AWS_FEATURE_GROUP")


def test_a_group_that_could_not_be_made_is_said_with_the_reason(
    stubs: dict[str, Stubber], run: Callable[[], list[str]]
) -> None:
    bucket_is_there(stubs)
    group_is_missing(stubs)
    group_is_made(stubs)
    group_is(stubs, "CreateFailed", FailureReason="the role may not write")
    with pytest.raises(FatalError, match="is CreateFailed: the role may not write"):
        run()


def test_a_group_that_is_never_made_is_given_up(
    stubs: dict[str, Stubber], run: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEATURE_GROUP_POLL_S", FEATURE_GROUP_TIMEOUT_S / 2)
    bucket_is_there(stubs)
    group_is_missing(stubs)
    group_is_made(stubs)
    group_is(stubs, "Creating")
    group_is(stubs, "Creating")
    with pytest.raises(FatalError, match="was not made in 1200 s"):
        run()


def test_a_wait_can_be_stopped_and_says_what_to_do(
    stubs: dict[str, Stubber], run: Callable[[], list[str]], runtime: Runtime
) -> None:
    bucket_is_there(stubs)
    group_is_missing(stubs)
    group_is_made(stubs)
    group_is(stubs, "Creating")
    runtime.stop.set()
    with pytest.raises(FatalError, match="run it again"):
        run()


def test_an_aws_that_does_not_answer_may_answer_later(
    stubs: dict[str, Stubber], run: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    monkeypatch.setattr(stubs["s3"].client, "head_bucket", refuse)
    with pytest.raises(TransientError, match="AWS does not answer"):
        run()


@pytest.mark.integration
def test_the_local_aws_takes_it_all_and_a_second_run_changes_nothing(
    admin: type[Admin], monkeypatch: pytest.MonkeyPatch
) -> None:
    from txfeatures_local.aws import LocalAws

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with LocalAws(settling_s=0.05) as local:
        monkeypatch.setenv("AWS_ENDPOINT_URL", local.endpoint_url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", local.region)
        aws._session.cache_clear()
        said: list[str] = []
        for _ in range(2):
            runtime = Runtime(metrics=Metrics("bootstrap"))
            bootstrap(BootstrapSettings(), runtime=runtime, say=said.append)
        aws._session.cache_clear()
    assert [line.rpartition(": ")[2] for line in said if "topics" not in line] == [
        "made",
        "made",
        "there already",
        "there already",
    ]
