from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import MagicMock

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from txfeatures import bootstrap as module
from txfeatures.bootstrap import BootstrapSettings, bootstrap
from txfeatures.domain.errors import FatalError, SettingsError, TransientError
from txfeatures.domain.topics import MAX_RECORD_BYTES, TOPICS, Topic
from txfeatures.kafka.effective import Effective
from txfeatures.kafka.safety import TopicState
from txfeatures.process import aws
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import KafkaSettings, load


class Admin:
    """A KafkaAdmin in a cluster that only has the topics ``existing``."""

    existing: Sequence[str] = ()
    asked: dict[str, Any]

    def __init__(self, settings: KafkaSettings) -> None: ...

    def create(self, topics: Sequence[Topic], **asked: Any) -> list[str]:
        type(self).asked = asked
        return [topic.name for topic in topics if topic.name not in self.existing]


class Cluster:
    """Three brokers whose topics were created by bootstrap."""

    def __init__(self) -> None:
        self.changed: dict[str, str] = {}
        self.denied: tuple[str, ...] = ()
        self.with_brokers: bool | None = None

    def read(
        self, _settings: KafkaSettings, topics: Sequence[Topic], *, with_brokers: bool
    ) -> Effective:
        self.with_brokers = with_brokers
        return Effective(
            topics=tuple(
                TopicState(
                    topic=topic,
                    replicas=3,
                    config=topic.config(keep_forever=False, replication=3) | self.changed,
                )
                for topic in topics
            ),
            brokers={},
            broker_count=3,
            denied=self.denied,
        )


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    fake = Cluster()
    monkeypatch.setattr(module, "read_effective", fake.read)
    return fake


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> type[Admin]:
    fake = type("FreshAdmin", (Admin,), {})
    monkeypatch.setattr(module, "KafkaAdmin", fake)
    return fake


@pytest.fixture
def aws_answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Return a function that sets the answer of AWS: an outcome for each part, or an error."""

    def answer(answer: Any) -> None:
        def do(*_: Any, **__: Any) -> str:
            if isinstance(answer, Exception):
                raise answer
            return str(answer)

        class FeatureGroup:
            def __init__(self, *_: Any) -> None: ...

            ensure = staticmethod(do)

        for name in ("s3", "glue", "sagemaker"):
            monkeypatch.setattr(aws, name, lambda _: MagicMock())
        monkeypatch.setattr(module, "ensure_bucket", do)
        monkeypatch.setattr(module, "ensure_archive_table", do)
        monkeypatch.setattr(module, "FeatureGroup", FeatureGroup)

    return answer


@pytest.fixture
def run() -> Callable[..., list[str]]:
    """Return a function that runs bootstrap and returns its printed lines."""

    def run(**settings: Any) -> list[str]:
        said: list[str] = []
        runtime = Runtime(metrics=Metrics("bootstrap"), clock=ManualClock())
        bootstrap(BootstrapSettings(**settings), runtime=runtime, say=said.append)
        return said

    return run


def refusal(code: str, status: int = 400) -> ClientError:
    said = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "HeadBucket")  # type: ignore[arg-type]


def test_what_was_done_is_said_in_order(
    admin: type[Admin], aws_answers: Callable[[Any], None], run: Callable[..., list[str]]
) -> None:
    admin.existing = [TOPICS[0].name]
    aws_answers("created")
    assert run() == [
        f"topics: {len(TOPICS) - 1} created, 1 exist already",
        "configuration of topics and brokers: safe",
        "bucket txfeatures: created",
        "feature group bitcoin-features-1min: created",
        "archive's table: created",
    ]


def test_kafka_is_asked_for_what_the_settings_say(
    admin: type[Admin], aws_answers: Callable[[Any], None], run: Callable[..., list[str]]
) -> None:
    aws_answers("created")
    run(partitions=8, replication=1, keep_forever=True, broker_kind="express")
    assert admin.asked == {
        "partitions": 8,
        "replication": 1,
        "keep_forever": True,
        "kind": "express",
    }


def test_unsafe_configuration_is_reported_and_ends_nothing(
    admin: type[Admin],
    aws_answers: Callable[[Any], None],
    run: Callable[..., list[str]],
    cluster: Cluster,
) -> None:
    aws_answers("created")
    cluster.changed = {"min.insync.replicas": "1"}
    cluster.denied = ("Kafka denies DescribeConfigs on the cluster",)
    printed = run()
    assert printed[1].startswith("unsafe: topics raw, deduped, ")
    assert "only one broker has; run `kafka-configs" in printed[1]
    assert printed[2] == "not checked: Kafka denies DescribeConfigs on the cluster"
    assert printed[3:] == [
        "bucket txfeatures: created",
        "feature group bitcoin-features-1min: created",
        "archive's table: created",
    ]


@pytest.mark.parametrize(("kind", "is_read"), [("standard", True), ("serverless", False)])
def test_the_brokers_of_msk_serverless_are_not_asked_for_their_configuration(
    admin: type[Admin],
    aws_answers: Callable[[Any], None],
    run: Callable[..., list[str]],
    cluster: Cluster,
    kind: str,
    is_read: bool,
) -> None:
    aws_answers("created")
    run(broker_kind=kind)
    assert cluster.with_brokers is is_read


def test_msk_serverless_takes_no_larger_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_BOOTSTRAP_BROKER_KIND", "serverless")
    assert load(BootstrapSettings).kafka.max_record_bytes == MAX_RECORD_BYTES
    monkeypatch.setenv("TXF_KAFKA_MAX_RECORD_BYTES", str(MAX_RECORD_BYTES + 1))
    with pytest.raises(SettingsError, match="lower TXF_KAFKA_MAX_RECORD_BYTES"):
        load(BootstrapSettings)


def test_a_replay_is_judged_by_what_it_needs(
    admin: type[Admin], aws_answers: Callable[[Any], None], run: Callable[..., list[str]]
) -> None:
    aws_answers("created")
    assert "retention.ms is 604800000" in run(keep_forever=True)[1]


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (refusal("AccessDenied", 403), FatalError, "AWS refused"),
        (refusal("ThrottlingException"), TransientError, "run it again"),
        (refusal("InternalFailure", 500), TransientError, "run it again"),
        (
            EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
            TransientError,
            "AWS is throttled or unavailable",
        ),
    ],
)
def test_errors_of_aws_say_whether_to_try_again(
    admin: type[Admin],
    aws_answers: Callable[[Any], None],
    run: Callable[..., list[str]],
    error: Exception,
    kind: type[Exception],
    said: str,
) -> None:
    aws_answers(error)
    with pytest.raises(kind, match=said):
        run()


@pytest.mark.integration
@pytest.mark.parametrize("table_format", ["glue", "iceberg"])
def test_the_local_aws_takes_it_all_and_a_second_run_changes_nothing(
    admin: type[Admin], monkeypatch: pytest.MonkeyPatch, table_format: str
) -> None:
    from featurestore_local import LocalAws

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("TXF_AWS_TABLE_FORMAT", table_format)
    monkeypatch.setenv("TXF_AWS_TIMEOUT_S", "60")
    with LocalAws(settling_s=0.05) as local:
        monkeypatch.setenv("AWS_ENDPOINT_URL", local.endpoint_url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", local.region)
        aws._session.cache_clear()
        said: list[str] = []
        for _ in range(2):
            runtime = Runtime(metrics=Metrics("bootstrap"))
            bootstrap(BootstrapSettings(), runtime=runtime, say=said.append)
        catalog = boto3.client("glue").get_tables(DatabaseName="sagemaker_featurestore")
        aws._session.cache_clear()
    words = [line.rpartition(": ")[2] for line in said if "topics" not in line]
    assert words == ["created"] * 3 + ["exists already"] * 3
    assert len(catalog["TableList"]) == 1
