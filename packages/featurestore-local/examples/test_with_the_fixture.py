"""A test suite of an application; the fixture ``feature_store`` comes with the package."""

import pytest
from botocore.exceptions import ClientError

FEATURES = {"id": "String", "time": "Fractional"}


def test_a_record_can_be_read_back(feature_store):
    group = feature_store.create_group(FEATURES, record_identifier="id", event_time="time")
    runtime = feature_store.client("sagemaker-featurestore-runtime")
    record = [
        {"FeatureName": "id", "ValueAsString": "a"},
        {"FeatureName": "time", "ValueAsString": "1"},
    ]
    runtime.put_record(FeatureGroupName=group, Record=record)
    found = runtime.get_record(FeatureGroupName=group, RecordIdentifierValueAsString="a")
    assert found["Record"] == record


def test_groups_have_unique_names(feature_store):
    names = {
        feature_store.create_group(FEATURES, record_identifier="id", event_time="time")
        for _ in range(2)
    }
    assert len(names) == 2


def test_a_group_with_a_missing_feature_is_refused(feature_store):
    with pytest.raises(ClientError, match="required but not defined"):
        feature_store.create_group(FEATURES, record_identifier="id", event_time="missing")
