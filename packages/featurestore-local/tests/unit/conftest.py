from collections.abc import Callable
from typing import Any

import pytest

from featurestore_local.clock import ManualClock
from featurestore_local.model import FeatureGroup, OfflineSettings, OnlineSettings
from featurestore_local.registry import Registry
from featurestore_local.values import FeatureType

GroupFactory = Callable[..., FeatureGroup]


@pytest.fixture
def make_group() -> GroupFactory:
    def make(name: str = "group", **changes: Any) -> FeatureGroup:
        settings: dict[str, Any] = {
            "arn": f"arn:aws:sagemaker:eu-west-1:123456789012:feature-group/{name}",
            "created_at_s": 1_700_000_000.0,
            "record_identifier": "id",
            "event_time": "time",
            "features": {
                "id": FeatureType.STRING,
                "time": FeatureType.FRACTIONAL,
                "count": FeatureType.INTEGRAL,
            },
            "online": OnlineSettings(),
            "offline": OfflineSettings(s3_uri="s3://b/x", resolved_s3_uri=f"s3://b/x/{name}/data"),
        }
        return FeatureGroup(name=name, **(settings | changes))

    return make


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=1_700_000_000.0)


@pytest.fixture
def registry(clock: ManualClock) -> Registry:
    return Registry(clock=clock, settling_s=1.0)
