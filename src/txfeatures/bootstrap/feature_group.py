"""Creation and update of the feature group, with its tags and descriptions.

SageMaker can add features to a group, but not remove or change them: a group whose features
have other types is an error.
"""

from typing import TYPE_CHECKING

from txfeatures.bootstrap.schema import TAGS, Comparison, compare, request, unit
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import FEATURES, Feature
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker.type_defs import DescribeFeatureGroupResponseTypeDef

TIMEOUT_S = 1200.0
"""A feature group with an in-memory store takes up to 15 minutes (AWS documentation)."""

POLL_S = 0.5

MAX_ADDITIONS = 100
"""Most features that one UpdateFeatureGroup takes (its model)."""

_UNIT = "unit"


class FeatureGroup:
    """The feature group named in the settings.

    Args:
        client: A client of SageMaker's control plane.
        settings: Name, bucket, role and table format.
        runtime: Its clock paces the wait, its flag ends it.
    """

    def __init__(self, client: "SageMakerClient", settings: AwsSettings, runtime: Runtime) -> None:
        self._client = client
        self._settings = settings
        self._name = settings.feature_group
        self._runtime = runtime

    def ensure(self) -> str:
        """Create the group or add missing features, wait, describe it; return the outcome.

        Raises:
            FatalError: The group differs in a way that can't be changed, or a change failed.
            ClientError: AWS refused.
        """
        is_new = self._create()
        found = self._wait_until_settled()
        comparison = compare(found, self._settings)
        if comparison.conflicts:
            raise FatalError(
                f"feature group {self._name} differs from the declared features: "
                f"{', '.join(comparison.conflicts)}; choose another TXF_AWS_FEATURE_GROUP"
            )
        self._add(comparison)
        self._tag(found["FeatureGroupArn"])
        for feature in FEATURES:
            self._describe_feature(feature)
        return "created" if is_new else _outcome(comparison)

    def _create(self) -> bool:
        if self._describe() is not None:
            return False
        try:
            self._client.create_feature_group(**request(self._settings))
        except self._client.exceptions.ResourceInUse:
            return False  # another bootstrap has just created it
        return True

    def _add(self, comparison: Comparison) -> None:
        for start in range(0, len(comparison.missing), MAX_ADDITIONS):
            self._client.update_feature_group(
                FeatureGroupName=self._name,
                FeatureAdditions=comparison.missing[start : start + MAX_ADDITIONS],
            )
            found = self._wait_until_settled()
            update = found.get("LastUpdateStatus", {"Status": "Successful"})
            if update["Status"] != "Successful":
                raise FatalError(
                    f"feature group {self._name} did not accept further features: "
                    f"{update.get('FailureReason', 'no reason given')}"
                )

    def _tag(self, arn: str) -> None:
        existing = {t["Key"]: t["Value"] for t in self._client.list_tags(ResourceArn=arn)["Tags"]}
        missing = {key: value for key, value in TAGS.items() if existing.get(key) != value}
        if missing:
            self._client.add_tags(
                ResourceArn=arn, Tags=[{"Key": k, "Value": v} for k, v in missing.items()]
            )

    def _describe_feature(self, feature: Feature) -> None:
        found = self._client.describe_feature_metadata(
            FeatureGroupName=self._name, FeatureName=feature.name
        )
        parameters = {p["Key"]: p["Value"] for p in found.get("Parameters", [])}
        wanted = unit(feature, self._settings)
        if (found.get("Description"), parameters.get(_UNIT, "")) == (feature.description, wanted):
            return
        self._client.update_feature_metadata(
            FeatureGroupName=self._name,
            FeatureName=feature.name,
            Description=feature.description,
            ParameterAdditions=[{"Key": _UNIT, "Value": wanted}] if wanted else [],
            ParameterRemovals=[_UNIT] if _UNIT in parameters and not wanted else [],
        )

    def _describe(self) -> "DescribeFeatureGroupResponseTypeDef | None":
        try:
            return self._client.describe_feature_group(FeatureGroupName=self._name)
        except self._client.exceptions.ResourceNotFound:
            return None

    def _wait_until_settled(self) -> "DescribeFeatureGroupResponseTypeDef":
        clock, stop = self._runtime.clock, self._runtime.stop
        deadline = clock.monotonic() + TIMEOUT_S
        while clock.monotonic() < deadline:
            found = self._describe()
            status = found["FeatureGroupStatus"] if found else "Creating"
            if found and status == "Created" and not _is_updating(found):
                return found
            if status not in {"Creating", "Created"}:
                reason = found.get("FailureReason", "no reason given") if found else ""
                raise FatalError(f"feature group {self._name} is {status}: {reason}")
            if clock.wait(stop, POLL_S):
                raise FatalError(
                    f"stopped while feature group {self._name} was being created; run it again"
                )
        raise FatalError(f"feature group {self._name} was not created within {TIMEOUT_S:.0f} s")


def _is_updating(found: "DescribeFeatureGroupResponseTypeDef") -> bool:
    return found.get("LastUpdateStatus", {}).get("Status") == "InProgress"


def _outcome(comparison: Comparison) -> str:
    added = ", ".join(definition["FeatureName"] for definition in comparison.missing)
    outcome = f"features added: {added}" if added else "exists already"
    if comparison.undeclared:
        outcome += f"; no longer declared, kept without values: {', '.join(comparison.undeclared)}"
    return outcome
