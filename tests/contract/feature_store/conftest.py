"""Feature groups of every kind on one local AWS."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from featurestore_local import LocalAws

from txfeatures.domain.features import EVENT_TIME, FEATURES, RECORD_IDENTIFIER
from txfeatures.domain.model import Row
from txfeatures.feature_store.codec import TableFormat, Target, Values, to_row, to_values
from txfeatures.feature_store.offline import OfflineRows, OfflineStore
from txfeatures.feature_store.online import OnlineStore
from txfeatures.feature_store.retries import Retries
from txfeatures.feature_store.writer import FeatureGroupWriter, Outcome
from txfeatures.process import aws
from txfeatures.process.clock import ManualClock
from txfeatures.process.settings import AwsSettings

SETTINGS = AwsSettings(timeout_s=5)
BOTH: tuple[Target, ...] = ("OnlineStore", "OfflineStore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of feature group.

    Attributes:
        table_format: The format of its event time and, if it has one, of its offline store.
        storage: The type of its online store. InMemory has no offline store.
    """

    table_format: TableFormat
    storage: str

    def __str__(self) -> str:
        return f"{self.table_format}-{self.storage}"

    @property
    def targets(self) -> tuple[Target, ...]:
        return ("OnlineStore",) if self.storage == "InMemory" else BOTH


KINDS = [
    Kind(table_format="glue", storage="Standard"),
    Kind(table_format="iceberg", storage="Standard"),
    Kind(table_format="glue", storage="InMemory"),
    Kind(table_format="iceberg", storage="InMemory"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    values: Values
    targets: Sequence[Target]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A feature group, through the boundary."""

    name: str
    kind: Kind
    directory: Path
    order: Callable[..., None]
    flush: Callable[[], None]

    @property
    def retries(self) -> Retries:
        return Retries(clock=ManualClock(), stop=threading.Event())

    @property
    def writer(self) -> FeatureGroupWriter:
        return FeatureGroupWriter(aws.feature_store(SETTINGS), self.name)

    @property
    def online(self) -> OnlineStore:
        return OnlineStore(aws.feature_store(SETTINGS), self.name, retries=self.retries)

    def write(self, row: Row, *targets: Target) -> Write:
        return Write(
            values=to_values(row, self.kind.table_format), targets=targets or self.kind.targets
        )

    def put(self, *rows: Row) -> Sequence[Outcome]:
        return self.writer.put([self.write(row) for row in rows])

    def rows(self, minutes: Sequence[int]) -> dict[str, Row]:
        return {name: to_row(values) for name, values in self.online.read(minutes)}

    def offline(self, minutes: Sequence[int]) -> OfflineRows:
        self.flush()
        store = OfflineStore.locate(aws.sagemaker(SETTINGS), aws.s3(SETTINGS), self.name)
        connection = duckdb.connect()
        return store.read(connection, self.directory, start_s=min(minutes), end_s=max(minutes) + 60)


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    with LocalAws(settling_s=0.0, offline_delay_s=600.0) as local:
        with pytest.MonkeyPatch.context() as environ:
            use(local, environ)
            aws.s3(SETTINGS).create_bucket(
                Bucket=SETTINGS.bucket,
                CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
            )
        yield local


def use(local: LocalAws, environ: pytest.MonkeyPatch) -> None:
    """Let the environment name the local AWS, for one test alone: others have AWSs of their own."""
    for name, value in (
        ("AWS_ENDPOINT_URL", local.endpoint_url),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_DEFAULT_REGION", local.region),
    ):
        environ.setenv(name, value)
    aws._session.cache_clear()


@pytest.fixture(params=KINDS, ids=str)
def group(
    request: pytest.FixtureRequest,
    local_aws: LocalAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Group]:
    use(local_aws, monkeypatch)
    kind: Kind = request.param
    # A deleted group leaves its objects, where one of the same name and second would find them.
    name = f"{kind}-{uuid.uuid4().hex[:12]}"
    sagemaker: Any = aws.sagemaker(SETTINGS)
    offline: dict[str, Any] = {}
    if kind.storage != "InMemory":
        offline["OfflineStoreConfig"] = {
            "S3StorageConfig": {"S3Uri": f"s3://{SETTINGS.bucket}/offline"},
            "TableFormat": kind.table_format.title(),
        }
    sagemaker.create_feature_group(
        FeatureGroupName=name,
        RecordIdentifierFeatureName=RECORD_IDENTIFIER,
        EventTimeFeatureName=EVENT_TIME,
        FeatureDefinitions=[
            {
                "FeatureName": feature.name,
                "FeatureType": "String"
                if kind.table_format == "iceberg" and feature.name == EVENT_TIME
                else feature.type,
            }
            for feature in FEATURES
        ],
        OnlineStoreConfig={"EnableOnlineStore": True, "StorageType": kind.storage},
        RoleArn=SETTINGS.role_arn.get_secret_value(),
        **offline,
    )
    with httpx.Client(base_url=local_aws.endpoint_url, trust_env=False, timeout=30) as client:

        def order(operation: str, error: str, **options: Any) -> None:
            fault = {"operation": operation, "error": error, **options}
            client.post("/_local/faults", json=[fault]).raise_for_status()

        def flush() -> None:
            client.post("/_local/flush").raise_for_status()

        yield Group(
            name=name,
            kind=kind,
            directory=tmp_path,
            order=order,
            flush=flush,
        )
        client.delete("/_local/faults")
    sagemaker.delete_feature_group(FeatureGroupName=name)
    aws._session.cache_clear()
