"""The pytest fixture ``feature_store``: a local AWS for the whole test session."""

import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from featurestore_local.clock import Clock, SystemClock
from featurestore_local.server import LocalAws
from featurestore_local.services import ACCOUNT

_LOOK_S = 0.01
_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStore:
    """A test's access to the local AWS."""

    endpoint_url: str
    session: boto3.Session
    clock: Clock

    def client(self, service: Any, **options: Any) -> Any:
        """Return a boto3 client of a service; options are those of ``Session.client``."""
        return self.session.client(service, endpoint_url=self.endpoint_url, **options)

    def create_group(
        self,
        features: Mapping[str, str],
        *,
        record_identifier: str,
        event_time: str,
        **members: Any,
    ) -> str:
        """Create a feature group, wait until it is ready and return its name.

        Args:
            features: Type by name: ``Integral``, ``Fractional`` or ``String``.
            record_identifier: Name of the feature that identifies a record.
            event_time: Name of the feature that holds a record's event time.
            members: Further members of CreateFeatureGroup. By default the name is unique and
                there is an online store only.
        """
        sagemaker = self.client("sagemaker")
        request = {
            "FeatureGroupName": f"group-{uuid.uuid4()}",
            "RecordIdentifierFeatureName": record_identifier,
            "EventTimeFeatureName": event_time,
            "FeatureDefinitions": [
                {"FeatureName": name, "FeatureType": kind} for name, kind in features.items()
            ],
            "OnlineStoreConfig": {"EnableOnlineStore": True},
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/any",
        } | members
        sagemaker.create_feature_group(**request)
        name: str = request["FeatureGroupName"]
        never, deadline = threading.Event(), self.clock.monotonic() + _PATIENCE_S
        while (found := sagemaker.describe_feature_group(FeatureGroupName=name))[
            "FeatureGroupStatus"
        ] == "Creating":
            if self.clock.monotonic() > deadline:
                raise TimeoutError(f"Feature group {name} is still Creating.")
            self.clock.wait(never, _LOOK_S)
        if found["FeatureGroupStatus"] != "Created":
            raise RuntimeError(f"Feature group {name}: {found['FailureReason']}")
        return name


@pytest.fixture(scope="session")
def feature_store() -> Iterator[FeatureStore]:
    """Run a local AWS until the end of the test session."""
    clock = SystemClock()
    with LocalAws(offline_delay_s=0.1, settling_s=0.0, clock=clock) as aws:
        session = boto3.Session("any", "any", region_name=aws.region)
        yield FeatureStore(endpoint_url=aws.endpoint_url, session=session, clock=clock)
