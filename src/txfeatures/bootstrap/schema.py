"""What the feature group must be, and how one that exists differs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from txfeatures.domain.features import EVENT_TIME, FEATURES, RECORD_IDENTIFIER, Feature
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateFeatureGroupRequestTypeDef,
        DescribeFeatureGroupResponseTypeDef,
        FeatureDefinitionTypeDef,
    )

OFFLINE_STORE_PREFIX = "feature-store"
"""Where in the bucket SageMaker keeps the offline store."""

DESCRIPTION = "Bitcoin transactions, features per minute"
TAGS: Mapping[str, str] = {"application": "txfeatures"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a feature group that exists compares with the declared features.

    Attributes:
        conflicts: What can't be reconciled, a phrase each.
        missing: Declared features that the group hasn't yet.
        undeclared: Features of the group that are declared no more; they stay, without values.
    """

    conflicts: Sequence[str]
    missing: "Sequence[FeatureDefinitionTypeDef]"
    undeclared: Sequence[str]


def request(settings: AwsSettings) -> "CreateFeatureGroupRequestTypeDef":
    """Return the feature group as CreateFeatureGroup takes it."""
    is_iceberg = settings.table_format == "iceberg"
    return {
        "FeatureGroupName": settings.feature_group,
        "RecordIdentifierFeatureName": RECORD_IDENTIFIER,
        "EventTimeFeatureName": EVENT_TIME,
        "FeatureDefinitions": definitions(settings),
        "OnlineStoreConfig": {"EnableOnlineStore": True},
        "OfflineStoreConfig": {
            "S3StorageConfig": {"S3Uri": f"s3://{settings.bucket}/{OFFLINE_STORE_PREFIX}"},
            "TableFormat": "Iceberg" if is_iceberg else "Glue",
        },
        "RoleArn": settings.role_arn.get_secret_value(),
        "Description": DESCRIPTION,
        "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()],
    }


def definitions(settings: AwsSettings) -> "list[FeatureDefinitionTypeDef]":
    """Return the declared features; an Iceberg table takes its event time as a String only."""
    declared: list[FeatureDefinitionTypeDef] = [
        {"FeatureName": feature.name, "FeatureType": feature.type} for feature in FEATURES
    ]
    if settings.table_format == "iceberg":
        for definition in declared:
            if definition["FeatureName"] == EVENT_TIME:
                definition["FeatureType"] = "String"
    return declared


def unit(feature: Feature, settings: AwsSettings) -> str:
    """Return the unit of a feature's values as they are stored, empty where it has none."""
    is_text_time = feature.name == EVENT_TIME and settings.table_format == "iceberg"
    return "ISO-8601 UTC" if is_text_time else feature.unit


def compare(found: "DescribeFeatureGroupResponseTypeDef", settings: AwsSettings) -> Comparison:
    """Return how a group differs from what ``request`` asks for."""
    there = {d["FeatureName"]: d["FeatureType"] for d in found["FeatureDefinitions"]}
    declared = definitions(settings)
    conflicts = [
        f"{d['FeatureName']} is {there[d['FeatureName']]}, declared {d['FeatureType']}"
        for d in declared
        if there.get(d["FeatureName"], d["FeatureType"]) != d["FeatureType"]
    ]
    for what, actual, wanted in (
        ("record identifier", found["RecordIdentifierFeatureName"], RECORD_IDENTIFIER),
        ("event time", found["EventTimeFeatureName"], EVENT_TIME),
        ("table format", _table_format(found), settings.table_format),
    ):
        if actual != wanted:
            conflicts.append(f"{what} is {actual}, declared {wanted}")
    names = {definition["FeatureName"] for definition in declared}
    return Comparison(
        conflicts=conflicts,
        missing=[d for d in declared if d["FeatureName"] not in there],
        undeclared=[name for name in there if name not in names],
    )


def _table_format(found: "DescribeFeatureGroupResponseTypeDef") -> str:
    offline = found.get("OfflineStoreConfig")
    if offline is None:
        return "missing: no offline store"
    return "iceberg" if offline.get("TableFormat") == "Iceberg" else "glue"
