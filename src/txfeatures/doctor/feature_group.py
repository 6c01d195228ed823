"""Checks of the feature group: its state, its schema, and the rights on its records.

The right to write is proved by a record that lacks its event time, which Feature Store must
refuse once it has found the right; nothing is written.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from txfeatures.bootstrap.feature_group import FeatureGroup
from txfeatures.bootstrap.schema import Comparison, compare
from txfeatures.doctor.calls import error_of, granted
from txfeatures.doctor.finding import Check, Verdict, failure, ok, warning
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import RECORD_IDENTIFIER, Declaration, minute_name
from txfeatures.feature_store.codec import to_record
from txfeatures.feature_store.errors import INVALID, Failure
from txfeatures.process import aws
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import DescribeFeatureGroupResponseTypeDef

ABSENT = minute_name(0)
"""The first minute of 1970, of which no feed has transactions."""

_UNDATED = to_record({RECORD_IDENTIFIER: ABSENT})


class FeatureGroupChecks:
    """The checks, of which the first leaves what the others judge.

    Args:
        settings: The AWS side.
        declaration: The declared features.
        runtime: Its clock paces nothing here; bootstrap's comparison wants it.
    """

    def __init__(self, settings: AwsSettings, declaration: Declaration, runtime: Runtime) -> None:
        self._settings = settings
        self._declaration = declaration
        self._runtime = runtime
        self._found: DescribeFeatureGroupResponseTypeDef | None = None
        self._comparison = Comparison(conflicts=(), missing=(), undeclared=())

    def checks(self) -> Iterator[Check]:
        """Yield the checks in their order."""
        there = ("feature group",)
        for name, judge, needs in (
            ("feature group", self._exists, ("identity", "features file")),
            ("state of the stores", self._state, there),
            ("schema", self._schema, there),
            ("meanings", self._meanings, ("schema",)),
            ("right to read rows", self._read, there),
            ("right to write rows", self._write, there),
        ):
            yield Check(subject="feature store", name=name, judge=judge, needs=needs)

    @property
    def found(self) -> "DescribeFeatureGroupResponseTypeDef":
        """The description of the group, once it was found."""
        if self._found is None:
            raise FatalError("the feature group is not known; report this, its check must be first")
        return self._found

    @property
    def _name(self) -> str:
        return self._settings.feature_group

    def _exists(self) -> Verdict:
        client = aws.sagemaker(self._settings)
        with granted("sagemaker:DescribeFeatureGroup", self._name):
            try:
                self._found = client.describe_feature_group(FeatureGroupName=self._name)
            except client.exceptions.ResourceNotFound as error:
                raise FatalError(
                    f"there is no feature group {self._name}; run `txfeatures bootstrap` or set "
                    "TXF_AWS_FEATURE_GROUP to the one that it made"
                ) from error
        return ok(f"{self._name} exists")

    def _state(self) -> Verdict:
        return state(self.found, self._settings)

    def _schema(self) -> Verdict:
        self._comparison = compare(self.found, self._settings, self._declaration.features)
        return schema(self._comparison)

    def _meanings(self) -> Verdict:
        group = FeatureGroup(
            aws.sagemaker(self._settings), self._settings, self._declaration, self._runtime
        )
        with granted("sagemaker:DescribeFeatureMetadata", self._name):
            changed = group.changed(self._comparison)
        if changed:
            differences = "; ".join(
                f"{name} is {was}, declared {now}" for name, (was, now) in changed.items()
            )
            return failure(
                f"features have another meaning in the group: {differences}; give the changed "
                "features new names, or set TXF_FEATURES_FILE to the file of this group"
            )
        return ok("every feature means what is declared")

    def _read(self) -> Verdict:
        client = aws.feature_store(self._settings)
        with granted("sagemaker:GetRecord", self._name):
            client.get_record(FeatureGroupName=self._name, RecordIdentifierValueAsString=ABSENT)
        with granted("sagemaker:BatchGetRecord", self._name):
            answer = client.batch_get_record(
                Identifiers=[
                    {
                        "FeatureGroupName": self._name,
                        "RecordIdentifiersValueAsString": [ABSENT],
                    }
                ]
            )
        for each in answer["Errors"]:
            failed = Failure.named(each["ErrorCode"], each["ErrorMessage"])
            raise error_of(failed, "sagemaker:BatchGetRecord", self._name)
        return ok(f"GetRecord and BatchGetRecord, of {ABSENT}")

    def _write(self) -> Verdict:
        client = aws.feature_store(self._settings)
        with granted("sagemaker:PutRecord", self._name, expected=INVALID) as put:
            client.put_record(FeatureGroupName=self._name, Record=_UNDATED)
        with granted("sagemaker:BatchWriteRecord", self._name, expected=INVALID) as batch:
            answer = client.batch_write_record(
                Entries=[{"FeatureGroupName": self._name, "Record": _UNDATED}]
            )
            for each in answer["Errors"]:
                batch.code = each["ErrorCode"]
                if batch.code not in INVALID:
                    failed = Failure.named(each["ErrorCode"], each["ErrorMessage"])
                    raise error_of(failed, "sagemaker:BatchWriteRecord", self._name)
        if not (put.code and batch.code):
            return warning(
                f"Feature Store took a record of {ABSENT} that has no event time; please report "
                "it, and delete that record"
            )
        return ok("PutRecord and BatchWriteRecord, by a record that is refused for its content")


def state(found: "DescribeFeatureGroupResponseTypeDef", settings: AwsSettings) -> Verdict:
    """Return whether a group can be used, and writes where the settings say."""
    name, status = settings.feature_group, found["FeatureGroupStatus"]
    if status != "Created":
        reason = found.get("FailureReason", "no reason given")
        return failure(
            f"feature group {name} is {status} ({reason}); wait if it is being created, otherwise "
            "delete it and run `txfeatures bootstrap`"
        )
    if not found.get("OnlineStoreConfig", {}).get("EnableOnlineStore"):
        return failure(
            f"feature group {name} has no online store; set another TXF_AWS_FEATURE_GROUP and run "
            "`txfeatures bootstrap`"
        )
    offline = found.get("OfflineStoreStatus", {})
    if offline.get("Status") == "Blocked":
        return failure(
            f"the offline store of {name} is blocked "
            f"({offline.get('BlockedReason', 'no reason given')}); mend the role of "
            "TXF_AWS_ROLE_ARN, whose rights are those of `feature_store` in the docs"
        )
    place = found.get("OfflineStoreConfig", {}).get("S3StorageConfig", {}).get("S3Uri", "")
    if place and not place.startswith(f"s3://{settings.bucket}/"):
        return failure(
            f"the offline store of {name} is at {place}, and TXF_AWS_BUCKET is {settings.bucket}; "
            "set it to the bucket of the offline store, or choose another TXF_AWS_FEATURE_GROUP"
        )
    return ok(f"created; the offline store is {offline.get('Status', 'not used yet')}")


def schema(comparison: Comparison) -> Verdict:
    """Return whether the group has the declared features with their types."""
    if comparison.conflicts:
        return failure(
            f"the feature group differs from the declaration: {', '.join(comparison.conflicts)}; "
            "choose another TXF_AWS_FEATURE_GROUP, or set TXF_FEATURES_FILE to the file of this one"
        )
    missing = [definition["FeatureName"] for definition in comparison.missing]
    if missing:
        return failure(
            f"the feature group lacks the features {', '.join(missing)}, so that rows are refused; "
            "run `txfeatures bootstrap`, which adds them"
        )
    kept = f"; no longer declared: {', '.join(comparison.undeclared)}"
    return ok(f"as declared{kept if comparison.undeclared else ''}")
