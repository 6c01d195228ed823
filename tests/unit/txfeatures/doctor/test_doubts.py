from contextlib import closing
from typing import Any

import pytest

from tests.support.modelled_aws import error, modelled_client
from txfeatures.doctor.doubts import READY_S, DoubtChecks
from txfeatures.doctor.examination import examine
from txfeatures.process import aws
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings

SETTLED = (
    "equal event time",
    "wrong type",
    "milliseconds",
    "older put after a deletion",
    "identifiers in one call",
)


class Lenient:
    """A Feature Store that does none of what the code assumes.

    The last put wins, whatever its event time, which it cuts to whole seconds; it takes values of
    any type and any number of identifiers. A group has each of ``statuses`` in turn.
    """

    def __init__(self, *statuses: str) -> None:
        self.groups: set[str] = set()
        self._statuses = list(statuses)
        self._records: dict[str, list[dict[str, str]]] = {}

    def __call__(self, name: str) -> Any:
        return getattr(self, name)

    def create_feature_group(self, params: dict[str, Any]) -> Any:
        assert "OfflineStoreConfig" not in params
        self.groups.add(params["FeatureGroupName"])
        return {"FeatureGroupArn": "arn:aws:sagemaker:eu-west-1:123456789012:feature-group/g"}

    def describe_feature_group(self, _: dict[str, Any]) -> Any:
        more = len(self._statuses) > 1
        return {
            "FeatureGroupArn": "arn:aws:sagemaker:eu-west-1:123456789012:feature-group/g",
            "FeatureGroupName": "g", "RecordIdentifierFeatureName": "id", "NextToken": "",
            "FeatureDefinitions": [{"FeatureName": "id", "FeatureType": "String"}],
            "EventTimeFeatureName": "time", "CreationTime": 0,
            "FeatureGroupStatus": self._statuses.pop(0) if more else self._statuses[0],
        }  # fmt: skip

    def delete_feature_group(self, params: dict[str, Any]) -> Any:
        self.groups.remove(params["FeatureGroupName"])

    def put_record(self, params: dict[str, Any]) -> Any:
        values = {each["FeatureName"]: each["ValueAsString"] for each in params["Record"]}
        values["time"] = values["time"].partition(".")[0]
        self._records[values["id"]] = [
            {"FeatureName": name, "ValueAsString": value} for name, value in values.items()
        ]

    def get_record(self, params: dict[str, Any]) -> Any:
        record = self._records.get(params["RecordIdentifierValueAsString"])
        return {"Record": record} if record else {}

    def delete_record(self, params: dict[str, Any]) -> Any:
        del self._records[params["RecordIdentifierValueAsString"]]

    def batch_get_record(self, _: dict[str, Any]) -> Any:
        return {"Records": [], "Errors": [], "UnprocessedIdentifiers": []}


def checks_on(
    store: Lenient, monkeypatch: pytest.MonkeyPatch, clock: ManualClock | None = None
) -> Any:
    for service, name in (
        ("sagemaker", "sagemaker"),
        ("sagemaker-featurestore-runtime", "feature_store"),
    ):
        client = modelled_client(service, store, "eu-west-1")
        monkeypatch.setattr(aws, name, lambda _, client=client: client)
    runtime = Runtime(metrics=Metrics("doctor"), clock=clock or ManualClock())
    return DoubtChecks(AwsSettings(), runtime).checks()


def test_an_aws_unlike_every_assumption_is_reported_and_the_group_is_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Lenient("Creating", "Creating", "Created")
    found = {each.check: each for each in examine(checks_on(store, monkeypatch))}
    assert found["scratch feature group"].state == "ok"
    assert {found[name].state for name in SETTLED} == {"warning"}
    assert all(found[name].sentence.startswith("unlike the assumption: ") for name in SETTLED)
    assert found["scratch feature group deleted"].state == "ok"
    assert store.groups == set()


@pytest.mark.parametrize("status", ["Creating", "CreateFailed"])
def test_a_group_that_is_never_ready_settles_nothing_and_is_deleted(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    store, clock = Lenient(status), ManualClock()
    found = {each.check: each for each in examine(checks_on(store, monkeypatch, clock))}
    assert found["scratch feature group"].state == "failure"
    assert status in found["scratch feature group"].sentence
    assert {found[name].state for name in SETTLED} == {"skipped"}
    assert store.groups == set()
    assert clock.monotonic() == pytest.approx(READY_S if status == "Creating" else 0, abs=1.5)


def test_a_group_is_deleted_if_the_examination_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Lenient("Created")
    with closing(checks_on(store, monkeypatch)) as checks:
        assert next(iter(examine(checks))).state == "ok"
        assert len(store.groups) == 1
    assert store.groups == set()


def test_without_the_right_to_make_a_group_there_is_none_to_delete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Lenient("Created")

    def refuse(_: dict[str, Any]) -> None:
        raise error("CreateFeatureGroup", "AccessDeniedException", "no")

    monkeypatch.setattr(store, "create_feature_group", refuse)
    found = {each.check: each for each in examine(checks_on(store, monkeypatch))}
    assert "sagemaker:CreateFeatureGroup" in found["scratch feature group"].sentence
    assert found["scratch feature group deleted"].sentence == "none was made"
