"""Feature groups of every kind on one local AWS."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from featurestore_local import LocalAws

from tests.support.declared import FEATURES
from tests.support.local_account import Controls, entered, make_bucket, make_group
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
        return {
            name: to_row(values, features=FEATURES) for name, values in self.online.read(minutes)
        }

    def offline(self, minutes: Sequence[int]) -> OfflineRows:
        self.flush()
        store = OfflineStore.locate(
            aws.sagemaker(SETTINGS), aws.s3(SETTINGS), self.name, features=FEATURES
        )
        connection = duckdb.connect()
        return store.read(connection, self.directory, start_s=min(minutes), end_s=max(minutes) + 60)


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    with LocalAws(settling_s=0.0, offline_delay_s=600.0) as local:
        with entered(local):
            make_bucket(SETTINGS)
        yield local


@pytest.fixture(params=KINDS, ids=str)
def group(
    request: pytest.FixtureRequest,
    local_aws: LocalAws,
    tmp_path: Path,
) -> Iterator[Group]:
    kind: Kind = request.param
    # A deleted group leaves its objects, where one of the same name and second would find them.
    name = f"{kind}-{uuid.uuid4().hex[:12]}"
    settings = SETTINGS.model_copy(
        update={"feature_group": name, "table_format": kind.table_format}
    )
    changes: dict[str, Any] = {
        "OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": kind.storage}
    }
    if kind.storage == "InMemory":
        changes["OfflineStoreConfig"] = None
    controls = Controls(local_aws.endpoint_url)
    # For one test alone: others have AWSs of their own.
    with entered(local_aws):
        make_group(settings, **changes)

        def order(operation: str, error: str, **options: Any) -> None:
            controls.order({"operation": operation, "error": error, **options})

        yield Group(
            name=name,
            kind=kind,
            directory=tmp_path,
            order=order,
            flush=controls.flush,
        )
        controls.forget()
        aws.sagemaker(SETTINGS).delete_feature_group(FeatureGroupName=name)
