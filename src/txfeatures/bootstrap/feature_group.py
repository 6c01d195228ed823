"""Creation and update of the feature group, with its tags and descriptions.

SageMaker can add features to a group, but not remove or change them: a group whose features
have other types is an error.
"""

from typing import TYPE_CHECKING

from txfeatures.bootstrap import meanings
from txfeatures.bootstrap.schema import TAGS, Comparison, compare, request, unit
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import ComputedFeature, Declaration, Feature, default
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
_KEYS = (_UNIT, *meanings.KEYS)


class FeatureGroup:
    """The feature group named in the settings.

    Args:
        client: A client of SageMaker's control plane.
        settings: Name, bucket, role and table format.
        declaration: The declared features.
        runtime: Its clock paces the wait, its flag ends it.
    """

    def __init__(
        self,
        client: "SageMakerClient",
        settings: AwsSettings,
        declaration: Declaration,
        runtime: Runtime,
    ) -> None:
        self._client = client
        self._settings = settings
        self._declaration = declaration
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
        comparison = compare(found, self._settings, self._declaration.features)
        if comparison.conflicts:
            raise FatalError(
                f"feature group {self._name} differs from the declared features: "
                f"{', '.join(comparison.conflicts)}; choose another TXF_AWS_FEATURE_GROUP"
            )
        changed = {} if is_new else self.changed(comparison)
        if changed:
            differences = "; ".join(
                f"{name} was {was}, and is declared as {now}"
                for name, (was, now) in changed.items()
            )
            raise FatalError(
                f"feature group {self._name} has features of another meaning: {differences}; give "
                "the changed features new names, or choose another TXF_AWS_FEATURE_GROUP"
            )
        self._add(comparison)
        self._tag(found["FeatureGroupArn"])
        for feature in self._declaration.features:
            self._describe_feature(feature)
        return "created" if is_new else _outcome(comparison)

    def changed(self, comparison: Comparison) -> dict[str, tuple[str, str]]:
        """Return feature -> (former meaning, declared meaning) of those that mean another thing.

        A feature without a meaning was described by an earlier release, whose features are those
        of the shipped declaration.
        """
        missing = {definition["FeatureName"] for definition in comparison.missing}
        shipped = {feature.name: feature.meaning for feature in default().computed}
        changed = {}
        for feature in self._declaration.computed:
            if feature.name not in missing:
                _, parameters = self._metadata(feature)
                if meanings.DIGEST not in parameters and feature.name in shipped:
                    parameters |= meanings.parameters(shipped[feature.name])
                if difference := meanings.difference(feature.meaning, parameters):
                    changed[feature.name] = difference
        return changed

    def _create(self) -> bool:
        if self._describe() is not None:
            return False
        try:
            self._client.create_feature_group(**request(self._settings, self._declaration.features))
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
        description, parameters = self._metadata(feature)
        wanted = parameters_of(feature, self._settings)
        kept = {key: parameters[key] for key in (*_KEYS, *wanted) if key in parameters}
        if (description, kept) == (feature.description, wanted):
            return
        self._client.update_feature_metadata(
            FeatureGroupName=self._name,
            FeatureName=feature.name,
            Description=feature.description,
            ParameterAdditions=[{"Key": key, "Value": text} for key, text in wanted.items()],
            ParameterRemovals=[key for key in kept if key not in wanted],
        )

    def _metadata(self, feature: Feature) -> tuple[str | None, dict[str, str]]:
        """Return a feature's description and parameters."""
        found = self._client.describe_feature_metadata(
            FeatureGroupName=self._name, FeatureName=feature.name
        )
        parameters = {p["Key"]: p["Value"] for p in found.get("Parameters", [])}
        return found.get("Description"), parameters

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


def parameters_of(feature: Feature, settings: AwsSettings) -> dict[str, str]:
    """Return the parameters of a feature: its unit, if it has one, and its meaning."""
    wanted = unit(feature, settings)
    parameters = {_UNIT: wanted} if wanted else {}
    if isinstance(feature, ComputedFeature):
        parameters |= meanings.parameters(feature.meaning)
    return parameters


def _is_updating(found: "DescribeFeatureGroupResponseTypeDef") -> bool:
    return found.get("LastUpdateStatus", {}).get("Status") == "InProgress"


def _outcome(comparison: Comparison) -> str:
    added = ", ".join(definition["FeatureName"] for definition in comparison.missing)
    outcome = f"features added: {added}" if added else "exists already"
    if comparison.undeclared:
        outcome += f"; no longer declared, kept without values: {', '.join(comparison.undeclared)}"
    return outcome
