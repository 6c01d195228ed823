"""The doubts about real AWS that a feature group of its own settles, in a minute.

The group is made for this and deleted again; it has an online store only, so that no bucket and
no role is involved. Each finding compares AWS with the assumption of the code.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from txfeatures.bootstrap.schema import TAGS
from txfeatures.doctor.calls import granted
from txfeatures.doctor.finding import Check, Verdict, failure, ok, skipped, warning
from txfeatures.domain.errors import TxFeaturesError
from txfeatures.feature_store.codec import Values, from_record, to_record
from txfeatures.feature_store.errors import INVALID
from txfeatures.feature_store.online import BATCH
from txfeatures.process import aws
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient
    from types_boto3_sagemaker_featurestore_runtime.type_defs import FeatureValueTypeDef

PREFIX = "txfeatures-doctor-"
"""Beginning of the name of the group."""

READY_S = 120.0
"""Seconds until a group with a standard online store can be used, at most."""

LOOK_S = 1.0

_ID, _TIME, _REVISION = "id", "time", "revision"
_FINE = "1729334970.063"


class DoubtChecks:
    """The checks, between which the group exists.

    Args:
        settings: The AWS side.
        runtime: Paces the wait for the group, and ends it.
    """

    def __init__(self, settings: AwsSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._runtime = runtime
        self._name = f"{PREFIX}{uuid4().hex[:12]}"
        self._is_made = False

    def checks(self) -> Iterator[Check]:
        """Yield the checks in their order; delete the group at the end."""
        there = ("scratch feature group",)
        try:
            for name, judge, needs in (
                ("scratch feature group", self._create, ("identity",)),
                ("equal event time", self._equal_time, there),
                ("wrong type", self._wrong_type, there),
                ("milliseconds", self._milliseconds, there),
                ("older put after a deletion", self._older_put, there),
                ("identifiers in one call", self._identifiers, there),
                ("scratch feature group deleted", self._delete, ("identity",)),
            ):
                yield Check(
                    subject="doubts", name=name, judge=judge, needs=needs, deadline_s=2 * READY_S
                )
        finally:
            if self._is_made:  # the examination was interrupted
                with suppress(TxFeaturesError):
                    self._delete()

    def _create(self) -> Verdict:
        client = aws.sagemaker(self._settings)
        with granted("sagemaker:CreateFeatureGroup", self._name):
            client.create_feature_group(
                FeatureGroupName=self._name,
                RecordIdentifierFeatureName=_ID,
                EventTimeFeatureName=_TIME,
                FeatureDefinitions=[
                    {"FeatureName": _ID, "FeatureType": "String"},
                    {"FeatureName": _TIME, "FeatureType": "Fractional"},
                    {"FeatureName": _REVISION, "FeatureType": "Integral"},
                ],
                OnlineStoreConfig={"EnableOnlineStore": True},
                Tags=[{"Key": key, "Value": value} for key, value in TAGS.items()],
            )
        self._is_made = True
        clock, stop = self._runtime.clock, self._runtime.stop
        deadline_s = clock.monotonic() + READY_S
        while (status := self._status()) == "Creating":
            if clock.monotonic() >= deadline_s or clock.wait(stop, LOOK_S):
                break
        if status != "Created":
            return failure(f"feature group {self._name} is {status}; run it again later")
        return ok(f"{self._name}, with an online store only")

    def _status(self) -> str:
        client = aws.sagemaker(self._settings)
        with granted("sagemaker:DescribeFeatureGroup", self._name):
            return client.describe_feature_group(FeatureGroupName=self._name)["FeatureGroupStatus"]

    def _equal_time(self) -> Verdict:
        self._put("equal", "1", "1")
        self._put("equal", "1", "2")
        kept = self._get("equal").get(_REVISION)
        return compared(
            kept == "1",
            "a put with an equal event time leaves the record as it is",
            f"the record has revision {kept} after a put of 2 with an equal event time; repeats "
            "of fs_writer may change rows",
        )

    def _wrong_type(self) -> Verdict:
        with granted("sagemaker:PutRecord", self._name, expected=INVALID) as answered:
            self._runtime_client().put_record(
                FeatureGroupName=self._name, Record=_record("wrong", "1", "1.0")
            )
        return compared(
            bool(answered.code),
            f"a value of a wrong type is refused as {answered.code}",
            "1.0 was taken as an Integral; rows of a wrong type would not become dead letters",
        )

    def _milliseconds(self) -> Verdict:
        self._put("fine", _FINE, "1")
        kept = self._get("fine").get(_TIME)
        return compared(
            kept is not None and float(kept) == float(_FINE),
            "a Fractional event time keeps milliseconds",
            f"the event time {_FINE} is read as {kept}; the order of revisions within a second "
            "may be lost",
        )

    def _older_put(self) -> Verdict:
        self._put("deleted", "1", "1")
        with granted("sagemaker:DeleteRecord", self._name):
            self._runtime_client().delete_record(
                FeatureGroupName=self._name, RecordIdentifierValueAsString="deleted", EventTime="3"
            )
        self._put("deleted", "2", "2")
        return compared(
            not self._get("deleted"),
            "an older put does not bring back a deleted record",
            "an older put has brought back a deleted record; a late repeat can undo a deletion",
        )

    def _identifiers(self) -> Verdict:
        # Twice the same group: each part is within its own limit, both together are not.
        part = [str(number) for number in range(BATCH * 3 // 5)]
        with granted("sagemaker:BatchGetRecord", self._name, expected=INVALID) as answered:
            self._runtime_client().batch_get_record(
                Identifiers=[
                    {"FeatureGroupName": self._name, "RecordIdentifiersValueAsString": names}
                    for names in (part, [f"{name}-" for name in part])
                ]
            )
        return compared(
            bool(answered.code),
            f"BatchGetRecord refuses more than {BATCH} identifiers in all",
            f"BatchGetRecord took {2 * len(part)} identifiers; the api could request more at once",
        )

    def _delete(self) -> Verdict:
        if not self._is_made:
            return skipped("none was made")
        with granted("sagemaker:DeleteFeatureGroup", self._name):
            aws.sagemaker(self._settings).delete_feature_group(FeatureGroupName=self._name)
        self._is_made = False
        return ok(f"{self._name} is gone")

    def _put(self, name: str, time: str, revision: str) -> None:
        with granted("sagemaker:PutRecord", self._name):
            self._runtime_client().put_record(
                FeatureGroupName=self._name, Record=_record(name, time, revision)
            )

    def _get(self, name: str) -> Values:
        with granted("sagemaker:GetRecord", self._name):
            found = self._runtime_client().get_record(
                FeatureGroupName=self._name, RecordIdentifierValueAsString=name
            )
        return from_record(found.get("Record", []))

    def _runtime_client(self) -> "SageMakerFeatureStoreRuntimeClient":
        return aws.feature_store(self._settings)


def compared(is_as_assumed: bool, assumption: str, difference: str) -> Verdict:
    """Return the verdict on one doubt: AWS is as the code assumes, or the difference."""
    if is_as_assumed:
        return ok(f"as assumed: {assumption}")
    return warning(f"unlike the assumption: {difference}; please report it")


def _record(name: str, time: str, revision: str) -> "list[FeatureValueTypeDef]":
    return to_record({_ID: name, _TIME: time, _REVISION: revision})
