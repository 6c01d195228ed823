"""The definition of the feature group, and its comparison with an existing one [pure]."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, Feature
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateFeatureGroupRequestTypeDef,
        DescribeFeatureGroupResponseTypeDef,
        FeatureDefinitionTypeDef,
        OnlineStoreConfigTypeDef,
        S3StorageConfigTypeDef,
    )

OFFLINE_STORE_PREFIX = "feature-store"
"""Prefix in the bucket under which SageMaker keeps the offline store."""

DESCRIPTION = "Bitcoin transactions, features per minute"
TAGS: Mapping[str, str] = {"application": "txfeatures"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The differences between an existing feature group and the declared features.

    Attributes:
        conflicts: A phrase for each difference that can't be reconciled.
        missing: Declared features that the group lacks.
        undeclared: Features of the group that are no longer declared; they stay, without values.
    """

    conflicts: Sequence[str]
    missing: "Sequence[FeatureDefinitionTypeDef]"
    undeclared: Sequence[str]


def request(
    settings: AwsSettings, features: Sequence[Feature]
) -> "CreateFeatureGroupRequestTypeDef":
    """Return the parameters of CreateFeatureGroup."""
    is_iceberg = settings.table_format == "iceberg"
    online: OnlineStoreConfigTypeDef = {"EnableOnlineStore": True}
    offline: S3StorageConfigTypeDef = {"S3Uri": f"s3://{settings.bucket}/{OFFLINE_STORE_PREFIX}"}
    if settings.kms_key_arn is not None:
        online["SecurityConfig"] = {"KmsKeyId": settings.kms_key_arn}
        offline["KmsKeyId"] = settings.kms_key_arn
    return {
        "FeatureGroupName": settings.feature_group,
        "RecordIdentifierFeatureName": RECORD_IDENTIFIER,
        "EventTimeFeatureName": EVENT_TIME,
        "FeatureDefinitions": definitions(settings, features),
        "OnlineStoreConfig": online,
        "OfflineStoreConfig": {
            "S3StorageConfig": offline,
            "TableFormat": "Iceberg" if is_iceberg else "Glue",
        },
        "RoleArn": settings.role_arn.get_secret_value(),
        "Description": DESCRIPTION,
        "Tags": [{"Key": key, "Value": value} for key, value in TAGS.items()],
    }


def definitions(
    settings: AwsSettings, features: Sequence[Feature]
) -> "list[FeatureDefinitionTypeDef]":
    """Return the declared features; the event time of an Iceberg table must be a String."""
    declared: list[FeatureDefinitionTypeDef] = [
        {"FeatureName": feature.name, "FeatureType": feature.type} for feature in features
    ]
    if settings.table_format == "iceberg":
        for definition in declared:
            if definition["FeatureName"] == EVENT_TIME:
                definition["FeatureType"] = "String"
    return declared


def unit(feature: Feature, settings: AwsSettings) -> str:
    """Return the unit of a feature's stored values, empty if it has none."""
    is_text_time = feature.name == EVENT_TIME and settings.table_format == "iceberg"
    return "ISO-8601 UTC" if is_text_time else feature.unit


def compare(
    found: "DescribeFeatureGroupResponseTypeDef",
    settings: AwsSettings,
    features: Sequence[Feature],
) -> Comparison:
    """Return the differences between a group and ``request``."""
    types = {d["FeatureName"]: d["FeatureType"] for d in found["FeatureDefinitions"]}
    declared = definitions(settings, features)
    conflicts = [
        f"{d['FeatureName']} is {types[d['FeatureName']]}, declared {d['FeatureType']}"
        for d in declared
        if types.get(d["FeatureName"], d["FeatureType"]) != d["FeatureType"]
    ]
    for field, actual, wanted in (
        ("record identifier", found["RecordIdentifierFeatureName"], RECORD_IDENTIFIER),
        ("event time", found["EventTimeFeatureName"], EVENT_TIME),
        ("table format", _table_format(found), settings.table_format),
    ):
        if actual != wanted:
            conflicts.append(f"{field} is {actual}, declared {wanted}")
    names = {definition["FeatureName"] for definition in declared}
    return Comparison(
        conflicts=conflicts,
        missing=[d for d in declared if d["FeatureName"] not in types],
        undeclared=[name for name in types if name not in names],
    )


def _table_format(found: "DescribeFeatureGroupResponseTypeDef") -> str:
    offline = found.get("OfflineStoreConfig")
    if offline is None:
        return "missing: no offline store"
    return "iceberg" if offline.get("TableFormat") == "Iceberg" else "glue"
