"""Conversion of the control plane's requests to feature groups, and of groups to answers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from featurestore_local.errors import invalid_settings
from featurestore_local.model import Collection, FeatureGroup, OfflineSettings, OnlineSettings
from featurestore_local.records import read_ttl
from featurestore_local.registry import GroupState
from featurestore_local.values import FeatureType

RESERVED_NAMES = frozenset({"is_deleted", "write_time", "api_invocation_time"})
GLUE_DATABASE = "sagemaker_featurestore"

_MAX_FEATURES = 2500


def read_group(
    params: Mapping[str, Any], *, account: str, region: str, created_at_s: float
) -> FeatureGroup:
    """Return the feature group that a CreateFeatureGroup request defines.

    Raises:
        AwsError: ValidationException; the settings contradict one another.
    """
    name = params["FeatureGroupName"]
    definitions = params["FeatureDefinitions"]
    group = FeatureGroup(
        name=name,
        arn=f"arn:aws:sagemaker:{region}:{account}:feature-group/{name}",
        created_at_s=created_at_s,
        record_identifier=params["RecordIdentifierFeatureName"],
        event_time=params["EventTimeFeatureName"],
        features=read_features({}, definitions),
        collections=read_collections(definitions),
        online=_read_online(params.get("OnlineStoreConfig", {})),
        offline=_read_offline(
            params.get("OfflineStoreConfig"),
            path=f"{account}/sagemaker/{region}/offline-store/{name}-{int(created_at_s)}/data",
            table=f"{name}_{int(created_at_s)}".replace("-", "_").lower(),
        ),
        throughput=params.get("ThroughputConfig"),
        role_arn=params.get("RoleArn"),
        description=params.get("Description"),
    )
    _check_group(group)
    return group


def read_features(
    present: Mapping[str, FeatureType], definitions: Iterable[Mapping[str, Any]]
) -> dict[str, FeatureType]:
    """Return the present features, followed by those defined.

    Raises:
        AwsError: ValidationException; a name is taken or reserved, or there are too many.
    """
    features = dict(present)
    for definition in definitions:
        name = definition["FeatureName"]
        if name in RESERVED_NAMES:
            raise invalid_settings(f"[{name}] is a reserved feature name; choose another.")
        if name in features:
            raise invalid_settings(f"Feature [{name}] is defined more than once.")
        features[name] = FeatureType(definition["FeatureType"])
    if len(features) > _MAX_FEATURES:
        raise invalid_settings(f"A feature group has at most {_MAX_FEATURES} features.")
    return features


def read_collections(definitions: Iterable[Mapping[str, Any]]) -> dict[str, Collection]:
    """Return the collections among the defined features.

    Raises:
        AwsError: ValidationException; a vector has no dimension or isn't Fractional.
    """
    collections = {}
    for definition in definitions:
        name, kind = definition["FeatureName"], definition.get("CollectionType")
        vector = definition.get("CollectionConfig", {}).get("VectorConfig", {})
        if (kind == "Vector") != bool(vector):
            raise invalid_settings(
                f"Feature [{name}]: a Vector needs a VectorConfig, which no other can have."
            )
        if kind == "Vector" and definition["FeatureType"] != FeatureType.FRACTIONAL:
            raise invalid_settings(f"Feature [{name}]: a Vector must be Fractional.")
        if kind is not None:
            collections[name] = Collection(kind=kind, dimension=vector.get("Dimension"))
    return collections


def updated_group(group: FeatureGroup, params: Mapping[str, Any]) -> FeatureGroup:
    """Return a group as changed by an UpdateFeatureGroup request.

    Raises:
        AwsError: ValidationException; the number of changes isn't one, or the change isn't allowed.
    """
    changes = {"FeatureAdditions", "OnlineStoreConfig", "ThroughputConfig"} & params.keys()
    if len(changes) != 1:
        raise invalid_settings(
            "Give exactly one of FeatureAdditions, OnlineStoreConfig and ThroughputConfig."
        )
    if "FeatureAdditions" in params:
        added = params["FeatureAdditions"]
        updated = replace(
            group,
            features=read_features(group.features, added),
            collections={**group.collections, **read_collections(added)},
        )
    elif "ThroughputConfig" in params:
        updated = replace(group, throughput=params["ThroughputConfig"])
    else:
        updated = replace(group, online=_updated_online(group, params["OnlineStoreConfig"]))
    _check_group(updated)
    return updated


def describe(state: GroupState) -> dict[str, Any]:
    """Return the members of DescribeFeatureGroup's answer."""
    group = state.group
    update_status = {"Status": state.update_status} if state.update_status else None
    described = {
        "FeatureGroupArn": group.arn,
        "FeatureGroupName": group.name,
        "RecordIdentifierFeatureName": group.record_identifier,
        "EventTimeFeatureName": group.event_time,
        "FeatureDefinitions": [_describe_feature(group, name) for name in group.features],
        "CreationTime": group.created_at_s,
        "LastModifiedTime": state.modified_at_s,
        "OnlineStoreConfig": _describe_online(group.online) if group.online else None,
        "OfflineStoreConfig": _describe_offline(group.offline) if group.offline else None,
        "ThroughputConfig": group.throughput or {"ThroughputMode": "OnDemand"},
        "RoleArn": group.role_arn,
        "FeatureGroupStatus": state.status,
        "OfflineStoreStatus": describe_offline_status(state),
        "LastUpdateStatus": update_status,
        "FailureReason": state.failure,
        "Description": group.description,
        "NextToken": "",
    }
    return {name: value for name, value in described.items() if value is not None}


def describe_offline_status(state: GroupState) -> dict[str, str] | None:
    """Return the status of the offline store, or None for a group without one."""
    if state.group.offline is None:
        return None
    if state.blocked_reason is not None:
        return {"Status": "Blocked", "BlockedReason": state.blocked_reason[:1024]}
    return {"Status": "Active"}


def _read_online(config: Mapping[str, Any]) -> OnlineSettings | None:
    if not config.get("EnableOnlineStore"):
        return None
    return OnlineSettings(
        storage_type=config.get("StorageType", "Standard"),
        ttl=read_ttl(config.get("TtlDuration")),
        kms_key_id=config.get("SecurityConfig", {}).get("KmsKeyId"),
    )


def _read_offline(
    config: Mapping[str, Any] | None, *, path: str, table: str
) -> OfflineSettings | None:
    if config is None:
        return None
    s3_uri = config["S3StorageConfig"]["S3Uri"]
    named = config.get("DataCatalogConfig")
    catalog = (
        (named["Catalog"], named["Database"], named["TableName"])
        if named
        else ("AwsDataCatalog", GLUE_DATABASE, table)
    )
    return OfflineSettings(
        s3_uri=s3_uri,
        resolved_s3_uri=f"{s3_uri.rstrip('/')}/{path}",
        table_format=config.get("TableFormat", "Default"),
        catalog=None if config.get("DisableGlueTableCreation") else catalog,
        kms_key_id=config["S3StorageConfig"].get("KmsKeyId"),
    )


def _updated_online(group: FeatureGroup, config: Mapping[str, Any]) -> OnlineSettings:
    if group.online is None:
        raise invalid_settings(f"FeatureGroup [{group.name}] has no online store to update.")
    before, after = group.online.storage_type, config.get("StorageType", group.online.storage_type)
    if before != after and (before, after) != ("Standard", "Standard_V2"):
        raise invalid_settings(f"StorageType can't change from {before} to {after}.")
    ttl = read_ttl(config.get("TtlDuration")) or group.online.ttl
    return replace(group.online, storage_type=after, ttl=ttl)


def _check_group(group: FeatureGroup) -> None:
    online, offline = group.online, group.offline
    if online is None and offline is None:
        raise invalid_settings("Give an OnlineStoreConfig, an OfflineStoreConfig or both.")
    for name in (group.record_identifier, group.event_time):
        if name not in group.features:
            raise invalid_settings(f"Feature [{name}] is required but not defined.")
    if group.event_time_type is FeatureType.INTEGRAL:
        raise invalid_settings("The event time feature must be Fractional or String.")
    if offline is not None and group.role_arn is None:
        raise invalid_settings("An offline store needs a RoleArn.")
    if offline is not None and offline.table_format == "Iceberg":
        if group.event_time_type is not FeatureType.STRING:
            raise invalid_settings("An Iceberg table needs an event time of type String.")
        if offline.catalog is None:
            raise invalid_settings("An Iceberg table needs a Glue table.")
    if online is not None and online.storage_type == "InMemory" and offline is not None:
        raise invalid_settings("An InMemory online store can't have an offline store.")
    _check_collections(group)
    is_provisioned = (group.throughput or {}).get("ThroughputMode") == "Provisioned"
    if is_provisioned and online is not None and online.storage_type != "Standard":
        raise invalid_settings("Provisioned throughput needs storage type Standard.")


def _check_collections(group: FeatureGroup) -> None:
    if group.collections and (group.online is None or group.online.storage_type != "InMemory"):
        raise invalid_settings("Collections need an online store of type InMemory.")
    if sum(each.kind == "Vector" for each in group.collections.values()) > 1:
        raise invalid_settings("A feature group has at most one Vector.")
    if {group.record_identifier, group.event_time} & group.collections.keys():
        raise invalid_settings("Record identifier and event time can't be collections.")


def _describe_feature(group: FeatureGroup, name: str) -> dict[str, Any]:
    described: dict[str, Any] = {"FeatureName": name, "FeatureType": group.features[name]}
    if (collection := group.collections.get(name)) is not None:
        described["CollectionType"] = collection.kind
        if collection.dimension is not None:
            vector = {"Dimension": collection.dimension}
            described["CollectionConfig"] = {"VectorConfig": vector}
    return described


def _describe_online(online: OnlineSettings) -> dict[str, Any]:
    described: dict[str, Any] = {"EnableOnlineStore": True, "StorageType": online.storage_type}
    if online.ttl is not None:
        described["TtlDuration"] = {"Unit": online.ttl.unit, "Value": online.ttl.value}
    if online.kms_key_id is not None:
        described["SecurityConfig"] = {"KmsKeyId": online.kms_key_id}
    return described


def _describe_offline(offline: OfflineSettings) -> dict[str, Any]:
    storage = {"S3Uri": offline.s3_uri, "ResolvedOutputS3Uri": offline.resolved_s3_uri}
    if offline.kms_key_id is not None:
        storage["KmsKeyId"] = offline.kms_key_id
    described: dict[str, Any] = {
        "S3StorageConfig": storage,
        "DisableGlueTableCreation": offline.catalog is None,
        "TableFormat": offline.table_format,
    }
    if offline.catalog is not None:
        catalog, database, table = offline.catalog
        described["DataCatalogConfig"] = {
            "Catalog": catalog,
            "Database": database,
            "TableName": table,
        }
    return described
