from typing import Any

import pytest

from tests.support.declared import DEFAULT, FEATURES
from tests.support.modelled_aws import error, modelled_client
from txfeatures.bootstrap.schema import Comparison, definitions
from txfeatures.doctor.examination import examine
from txfeatures.doctor.feature_group import FeatureGroupChecks, schema, state
from txfeatures.doctor.finding import Verdict
from txfeatures.feature_store.codec import to_record
from txfeatures.process import aws
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings

SETTINGS = AwsSettings()
GROUP: Any = {
    "FeatureGroupStatus": "Created",
    "OnlineStoreConfig": {"EnableOnlineStore": True},
    "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://txfeatures/feature-store"}},
    "OfflineStoreStatus": {"Status": "Active"},
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"FeatureGroupStatus": "CreateFailed", "FailureReason": "role"}, "CreateFailed (role)"),
        ({"OnlineStoreConfig": {}}, "has no online store"),
        (
            {"OfflineStoreStatus": {"Status": "Blocked", "BlockedReason": "denied"}},
            "is blocked (denied); mend the role of TXF_AWS_ROLE_ARN",
        ),
        (
            {"OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://txfeatures-2/x"}}},
            "is at s3://txfeatures-2/x, and TXF_AWS_BUCKET is txfeatures",
        ),
    ],
)
def test_a_group_that_can_not_be_used_is_a_failure(changes: dict[str, Any], words: str) -> None:
    verdict = state(GROUP | changes, SETTINGS)
    assert verdict.state == "failure"
    assert words in verdict.sentence


def test_a_group_of_bootstrap_is_right() -> None:
    assert state(GROUP, SETTINGS).sentence == "created; the offline store is Active"
    unused = {key: value for key, value in GROUP.items() if key != "OfflineStoreStatus"}
    assert "not used yet" in state(unused, SETTINGS).sentence  # type: ignore[arg-type]


def compared(**changes: Any) -> Verdict:
    same: dict[str, Any] = {"conflicts": (), "missing": (), "undeclared": ()}
    return schema(Comparison(**same | changes))


def test_the_schema_is_judged_by_the_comparison_of_bootstrap() -> None:
    assert compared().sentence == "as declared"
    assert compared(undeclared=["old"]).sentence == "as declared; no longer declared: old"
    wrong = compared(conflicts=["a is String, declared Integral"])
    assert (wrong.state, "a is String" in wrong.sentence) == ("failure", True)
    missing = compared(missing=[{"FeatureName": "new", "FeatureType": "Integral"}])
    assert (missing.state, "lacks the features new" in missing.sentence) == ("failure", True)


def run(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> dict[str, tuple[str, str]]:
    described = GROUP | {
        "FeatureGroupArn": "arn:aws:sagemaker:eu-west-1:123456789012:feature-group/g",
        "FeatureGroupName": "g",
        "RecordIdentifierFeatureName": "tx_minute",
        "EventTimeFeatureName": "event_time",
        "FeatureDefinitions": definitions(SETTINGS, FEATURES),
        "CreationTime": 0,
        "NextToken": "",
    }
    found = {
        "describe_feature_group": described,
        "describe_feature_metadata": {
            "FeatureGroupArn": described["FeatureGroupArn"], "FeatureGroupName": "g",
            "FeatureName": "f", "FeatureType": "Integral", "CreationTime": 0,
            "LastModifiedTime": 0,
        },
        "get_record": {},
        "batch_get_record": {"Records": [], "Errors": [], "UnprocessedIdentifiers": []},
        "put_record": error("PutRecord", "ValidationError", "no event time"),
        "batch_write_record": error("BatchWriteRecord", "ValidationException", "no event time"),
    } | answers  # fmt: skip

    def handler(name: str) -> Any:
        def answer(_: dict[str, Any]) -> Any:
            if isinstance(found[name], Exception):
                raise found[name]
            return found[name]

        return answer

    for service, name in (
        ("sagemaker", "sagemaker"),
        ("sagemaker-featurestore-runtime", "feature_store"),
    ):
        client = modelled_client(service, handler, "eu-west-1")
        monkeypatch.setattr(aws, name, lambda _, client=client: client)
    runtime = Runtime(metrics=Metrics("doctor"))
    checks = FeatureGroupChecks(SETTINGS, DEFAULT, runtime).checks()
    return {each.check: (each.state, each.sentence) for each in examine(checks)}


def test_rights_to_write_are_proved_by_records_that_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert {state for state, _ in run(monkeypatch).values()} == {"ok"}


REFUSED = {
    "Entry": {"FeatureGroupName": "g", "Record": to_record({"tx_minute": "m"})},
    "ErrorMessage": "no",
}


@pytest.mark.parametrize(
    ("answers", "check", "words"),
    [
        (
            {
                "batch_write_record": {
                    "Errors": [REFUSED | {"ErrorCode": "AccessDeniedException"}],
                    "UnprocessedEntries": [],
                }
            },
            "right to write rows",
            "the right sagemaker:BatchWriteRecord on bitcoin-features-1min is missing",
        ),
        (
            {
                "batch_get_record": {
                    "Records": [],
                    "UnprocessedIdentifiers": [],
                    "Errors": [
                        {
                            "FeatureGroupName": "g",
                            "RecordIdentifierValueAsString": "m",
                            "ErrorCode": "AccessDeniedException",
                            "ErrorMessage": "no",
                        }
                    ],
                }
            },
            "right to read rows",
            "the right sagemaker:BatchGetRecord on bitcoin-features-1min is missing",
        ),
    ],
)
def test_a_right_that_is_missing_for_a_part_of_a_batch_is_named(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], check: str, words: str
) -> None:
    found = run(monkeypatch, **answers)
    assert {name for name, (state, _) in found.items() if state == "failure"} == {check}
    assert words in found[check][1]


@pytest.mark.parametrize(
    "answers",
    [{"put_record": {}}, {"batch_write_record": {"Errors": [], "UnprocessedEntries": []}}],
)
def test_a_store_that_takes_the_refused_record_is_reported(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]
) -> None:
    state, sentence = run(monkeypatch, **answers)["right to write rows"]
    assert state == "warning"
    assert "took a record of 1970-01-01 00:00:00 that has no event time" in sentence
