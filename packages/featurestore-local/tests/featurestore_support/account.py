"""The account under test, and what the tests of its rules share."""

import io
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from pyiceberg.catalog.glue import GlueCatalog

from featurestore_local.clock import SystemClock

T = TypeVar("T")
NOON_S = 1_700_049_600
NOON = "2023-11-15T12:00:00Z"
FEATURES = {
    "minute": "String",
    "event_time": "Fractional",
    "count": "Integral",
    "fee": "Fractional",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An AWS account, real or local.

    Attributes:
        endpoint_url: None for the real AWS.
        patience_s: How long changes and offline rows may take.
        look_s: How often to look whether they are there.
        groups: Feature groups that the tests have made, to be deleted in the end.
        clients: By service; making one takes longer than most calls.
    """

    session: boto3.Session
    endpoint_url: str | None
    bucket: str
    role_arn: str
    patience_s: float
    look_s: float
    groups: list[str] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: Any) -> Any:
        if service not in self.clients:
            made = self.session.client(service, endpoint_url=self.endpoint_url)
            self.clients[service] = made
        return self.clients[service]

    def group_request(self, **changes: Any) -> dict[str, Any]:
        """Return a request for a feature group; a change to None leaves the member out."""
        request = {
            "FeatureGroupName": f"contract-{uuid.uuid4()}",
            "RecordIdentifierFeatureName": "minute",
            "EventTimeFeatureName": "event_time",
            "FeatureDefinitions": [
                {"FeatureName": name, "FeatureType": kind} for name, kind in FEATURES.items()
            ],
            "OnlineStoreConfig": {"EnableOnlineStore": True},
            "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": f"s3://{self.bucket}/contract"}},
            "RoleArn": self.role_arn,
        } | changes
        return {name: value for name, value in request.items() if value is not None}

    def start_group(self, **changes: Any) -> str:
        """Ask for a feature group and return its name."""
        request = self.group_request(**changes)
        self.client("sagemaker").create_feature_group(**request)
        name: str = request["FeatureGroupName"]
        self.groups.append(name)
        return name

    def group(self, **changes: Any) -> str:
        """Return the name of a new feature group that is ready."""
        name = self.start_group(**changes)
        assert self.settled(name)["FeatureGroupStatus"] == "Created"
        return name

    def iceberg_group(self) -> str:
        """Return the name of a new group whose offline store is an Iceberg table."""
        types = FEATURES | {"event_time": "String"}
        storage = {"S3Uri": f"s3://{self.bucket}/contract"}
        return self.group(
            FeatureDefinitions=[{"FeatureName": n, "FeatureType": t} for n, t in types.items()],
            OfflineStoreConfig={"S3StorageConfig": storage, "TableFormat": "Iceberg"},
        )

    def settled(self, name: str) -> dict[str, Any]:
        """Return the description of a group once nothing changes any more."""
        control = self.client("sagemaker")

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = control.describe_feature_group(FeatureGroupName=name)
            update = found.get("LastUpdateStatus", {}).get("Status")
            moving = found["FeatureGroupStatus"] == "Creating" or update == "InProgress"
            return None if moving else found

        return self.eventually(look)

    def put(self, group: str, record_id: str, event_time: object = NOON_S, **values: Any) -> None:
        """Put a record; names in capitals are parameters of PutRecord."""
        params = {name: values.pop(name) for name in list(values) if name[0].isupper()}
        self.client("sagemaker-featurestore-runtime").put_record(
            FeatureGroupName=group, Record=values_of(record_id, event_time, **values), **params
        )

    def online(self, group: str, record_id: str) -> dict[str, str]:
        """Return the values of a record, empty if it isn't there."""
        answer = self.client("sagemaker-featurestore-runtime").get_record(
            FeatureGroupName=group, RecordIdentifierValueAsString=record_id
        )
        return {v["FeatureName"]: v["ValueAsString"] for v in answer.get("Record", [])}

    def offline_tables(self, group: str) -> list[tuple[str, pa.Table]]:
        """Return name, below the group's folder, and content of each offline object."""
        described = self.client("sagemaker").describe_feature_group(FeatureGroupName=group)
        uri = described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
        prefix = uri.removeprefix(f"s3://{self.bucket}/") + "/"
        s3 = self.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        bodies = [s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys]
        return [
            (key.removeprefix(prefix), pq.read_table(io.BytesIO(body)))
            for key, body in zip(keys, bodies, strict=True)
        ]

    def offline_rows(self, group: str, record_id: str, count: int) -> list[dict[str, Any]]:
        """Wait for the offline rows of a record and return them in order of arrival."""

        def look() -> list[dict[str, Any]] | None:
            rows = [row for _, table in self.offline_tables(group) for row in table.to_pylist()]
            found = [row for row in rows if row["minute"] == record_id]
            return found if len(found) >= count else None

        rows = self.eventually(look)
        assert len(rows) == count
        return sorted(rows, key=lambda row: (row["api_invocation_time"], row["write_time"]))

    def scanned(self, group: str) -> list[dict[str, Any]]:
        """Return the rows of an Iceberg group as pyiceberg reads them, in order of event time."""
        found = self.client("sagemaker").describe_feature_group(FeatureGroupName=group)
        catalog = found["OfflineStoreConfig"]["DataCatalogConfig"]
        credentials = self.session.get_credentials()
        assert credentials is not None
        properties = {
            "glue.endpoint": self.endpoint_url,
            "s3.endpoint": self.endpoint_url,
            "client.region": self.session.region_name,
            "client.access-key-id": credentials.access_key,
            "client.secret-access-key": credentials.secret_key,
            "client.session-token": credentials.token,
        }
        reader = GlueCatalog("any", **{k: v for k, v in properties.items() if v is not None})
        table = reader.load_table((catalog["Database"], catalog["TableName"]))
        rows: list[dict[str, Any]] = table.scan().to_arrow().to_pylist()
        return sorted(rows, key=lambda row: str(row["event_time"]))

    def query(self, sql: str, **params: Any) -> dict[str, Any]:
        """Run a query and return its description once it has ended."""
        athena = self.client("athena")
        query_id = athena.start_query_execution(
            QueryString=sql,
            ResultConfiguration={"OutputLocation": f"s3://{self.bucket}/athena"},
            **params,
        )["QueryExecutionId"]

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = athena.get_query_execution(QueryExecutionId=query_id)[
                "QueryExecution"
            ]
            return None if found["Status"]["State"] in {"QUEUED", "RUNNING"} else found

        return self.eventually(look)

    def rows(self, sql: str, **params: Any) -> list[list[str | None]]:
        """Return the rows of a query, its header left out."""
        ended = self.query(sql, **params)
        assert ended["Status"]["State"] == "SUCCEEDED", ended["Status"]
        answer = self.client("athena").get_query_results(QueryExecutionId=ended["QueryExecutionId"])
        found = answer["ResultSet"]["Rows"]
        return [[datum.get("VarCharValue") for datum in row["Data"]] for row in found[1:]]

    def table(self, group: str) -> str:
        """Return a group's table, as a query names it."""
        found = self.client("sagemaker").describe_feature_group(FeatureGroupName=group)
        catalog = found["OfflineStoreConfig"]["DataCatalogConfig"]
        return f'"{catalog["Database"]}"."{catalog["TableName"]}"'

    def eventually(self, look: Callable[[], T | None]) -> T:
        """Return what ``look`` finds, as soon as it finds something."""
        clock, never = SystemClock(), threading.Event()
        deadline = clock.monotonic() + self.patience_s
        while (found := look()) is None:
            assert clock.monotonic() < deadline, "it did not come to pass in time"
            clock.wait(never, self.look_s)
        return found


def values_of(record_id: str, event_time: object = NOON_S, **others: object) -> list[Any]:
    """Return a record as PutRecord takes it."""
    values = {"minute": record_id, "event_time": event_time} | others
    return [{"FeatureName": name, "ValueAsString": str(value)} for name, value in values.items()]


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, int]:
    """Return code and HTTP status of the error that a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
