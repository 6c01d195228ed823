"""The account under test: the local AWS, or a real one on demand.

``CONTRACT_REAL_AWS=1`` runs the same tests on the account and in the region of boto3's own
chain, with an hour's patience; ``CONTRACT_BUCKET`` and ``CONTRACT_ROLE_ARN`` name a bucket
and a role there. It costs cents, and deletes the feature groups it has made, but not their
objects and tables.
"""

import os
import uuid
from collections.abc import Iterator

import boto3
import pytest

from featurestore_local import LocalAws
from featurestore_support.account import Account

REAL = os.environ.get("CONTRACT_REAL_AWS") == "1"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "rule(*ids): the rules of featurestore_support/rules.py that it tests"
    )
    config.addinivalue_line("markers", "local_only: orders faults, or needs what AWS hides")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if REAL:
        skip = pytest.mark.skip(reason="for the local AWS only")
        for item in items:
            if item.get_closest_marker("local_only"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    if REAL:
        found = Account(
            session=boto3.Session(),
            endpoint_url=None,
            bucket=os.environ["CONTRACT_BUCKET"],
            role_arn=os.environ["CONTRACT_ROLE_ARN"],
            patience_s=3600.0,
            look_s=3.6,
        )
        yield found
        for name in found.groups:
            found.client("sagemaker").delete_feature_group(FeatureGroupName=name)
        return
    with LocalAws(offline_delay_s=0.1, settling_s=0.2) as aws:
        found = Account(
            session=boto3.Session("any", "any", region_name=aws.region),
            endpoint_url=aws.endpoint_url,
            bucket="contract",
            role_arn="arn:aws:iam::123456789012:role/contract",
            patience_s=120.0,
            look_s=0.02,
        )
        found.client("s3").create_bucket(
            Bucket=found.bucket, CreateBucketConfiguration={"LocationConstraint": aws.region}
        )
        yield found


@pytest.fixture
def record_id() -> str:
    return f"2023-11-15 12:00:00 {uuid.uuid4()}"


@pytest.fixture(scope="session")
def both(account: Account) -> str:
    return account.group()


@pytest.fixture(scope="session")
def online_only(account: Account) -> str:
    return account.group(OfflineStoreConfig=None)


@pytest.fixture(scope="session")
def offline_only(account: Account) -> str:
    return account.group(OnlineStoreConfig=None)


@pytest.fixture(scope="session")
def v2(account: Account) -> str:
    return account.group(
        OnlineStoreConfig={"EnableOnlineStore": True, "StorageType": "Standard_V2"}
    )


@pytest.fixture(scope="session")
def iceberg(account: Account) -> str:
    return account.iceberg_group()
