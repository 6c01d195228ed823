"""The control plane: creating, describing, updating and deleting feature groups."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from featurestore_local.clock import Clock
from featurestore_local.errors import AwsError, TableError, invalid_settings
from featurestore_local.model import FeatureGroup
from featurestore_local.registry import FeatureMetadata, GroupState, Registry
from featurestore_local.schema import (
    describe,
    describe_offline_status,
    read_group,
    updated_group,
)

_LIST_PAGE = 10
_MAX_TAGS = 50
_MAX_PARAMETERS = 25
_ON_DEMAND_PAUSE_S = 86_400.0
_SORT_KEYS: dict[str, Callable[[GroupState], Any]] = {
    "Name": lambda state: state.group.name,
    "FeatureGroupStatus": lambda state: state.status,
    "OfflineStoreStatus": lambda state: str(describe_offline_status(state)),
    "CreationTime": lambda state: state.group.created_at_s,
}


class ControlPlane:
    """The operations of ``sagemaker`` on feature groups, and on their tags.

    Every operation takes validated parameters and returns the members of its answer,
    or None for an empty one.

    Args:
        registry: The feature groups.
        put_table: Creates or updates the Glue table of a group; may call this server.
        clock: Dates the creation of groups and other changes.
        account: The account that groups belong to.
        region: The region that groups belong to.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        put_table: Callable[[FeatureGroup], None],
        clock: Clock,
        account: str,
        region: str,
    ) -> None:
        self._registry = registry
        self._put_table = put_table
        self._clock = clock
        self._account = account
        self._region = region

    def create_feature_group(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Start the creation of a group, which fails if its Glue table can't be created."""
        group = read_group(
            params,
            account=self._account,
            region=self._region,
            created_at_s=self._clock.now(),
        )
        with self._registry.lock:
            state = self._registry.create(group, _read_tags(params.get("Tags", [])))
        try:
            self._put_table(group)
        except (BotoCoreError, ClientError, TableError) as error:
            with self._registry.lock:
                state.status = "CreateFailed"
                state.failure = f"The Glue table could not be created: {error}"[:1024]
        return {"FeatureGroupArn": group.arn}

    def describe_feature_group(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Describe a group, even while it is being created or deleted."""
        with self._registry.lock:
            return describe(self._registry.get(params["FeatureGroupName"]))

    def update_feature_group(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Start an update; features can be added, never removed."""
        with self._registry.lock:
            state = self._registry.get(params["FeatureGroupName"])
            if state.status != "Created" or state.update is not None:
                raise invalid_settings(
                    f"FeatureGroup [{state.group.name}] is still changing; wait, then try again."
                )
            group = updated_group(state.group, params)
            if _switches_to_on_demand(state.group, group):
                self._switch_to_on_demand(state)
            self._registry.update(state, group)
        if "FeatureAdditions" in params:
            self._put_table(group)
        return {"FeatureGroupArn": group.arn}

    def delete_feature_group(self, params: Mapping[str, Any]) -> None:
        """Start the deletion of a group; its objects in S3 and its Glue table stay."""
        with self._registry.lock:
            self._registry.delete(self._registry.get(params["FeatureGroupName"]))

    def list_feature_groups(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of the groups that pass the filters."""
        with self._registry.lock:
            found = [state for state in self._registry if _passes(state, params)]
            found.sort(
                key=_SORT_KEYS[params.get("SortBy", "CreationTime")],
                reverse=params.get("SortOrder") == "Descending",
            )
            summaries = [_summary(state) for state in found]
        start, size = _offset(params.get("NextToken", "0")), params.get("MaxResults", _LIST_PAGE)
        more = {"NextToken": str(start + size)} if len(summaries) > start + size else {}
        return {"FeatureGroupSummaries": summaries[start : start + size]} | more

    def update_feature_metadata(self, params: Mapping[str, Any]) -> None:
        """Change a feature's description and parameters, with immediate effect."""
        with self._registry.lock:
            state, name = self._feature(params)
            held = state.metadata.get(name) or FeatureMetadata(modified_at_s=0.0)
            state.metadata[name] = _with_changes(held, params, self._clock.now())

    def describe_feature_metadata(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a feature's description and parameters."""
        with self._registry.lock:
            state, name = self._feature(params)
            group, created_at_s = state.group, state.group.created_at_s
            metadata = state.metadata.get(name) or FeatureMetadata(modified_at_s=created_at_s)
        described = {
            "FeatureGroupArn": group.arn,
            "FeatureGroupName": group.name,
            "FeatureName": name,
            "FeatureType": group.features[name],
            "CreationTime": created_at_s,
            "LastModifiedTime": metadata.modified_at_s,
            "Parameters": _write_tags(metadata.parameters),
        }
        return described | ({"Description": metadata.description} if metadata.description else {})

    def add_tags(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Set tags of a group and return all of them."""
        with self._registry.lock:
            state = self._registry.get(params["ResourceArn"])
            tags = state.tags | _read_tags(params["Tags"])
            if len(tags) > _MAX_TAGS:
                raise invalid_settings(f"A feature group has at most {_MAX_TAGS} tags.")
            state.tags = tags
            return {"Tags": _write_tags(state.tags)}

    def list_tags(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the tags of a group, on one page."""
        with self._registry.lock:
            return {"Tags": _write_tags(self._registry.get(params["ResourceArn"]).tags)}

    def delete_tags(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Remove tags of a group."""
        with self._registry.lock:
            state = self._registry.get(params["ResourceArn"])
            state.tags = {k: v for k, v in state.tags.items() if k not in params["TagKeys"]}
            return {}

    def _switch_to_on_demand(self, state: GroupState) -> None:
        now_s, last_s = self._clock.now(), state.on_demand_at_s
        if last_s is not None and now_s - last_s < _ON_DEMAND_PAUSE_S:
            raise invalid_settings("Throughput can become OnDemand once in 24 hours.")
        state.on_demand_at_s = now_s

    def _feature(self, params: Mapping[str, Any]) -> tuple[GroupState, str]:
        state, name = self._registry.get(params["FeatureGroupName"]), params["FeatureName"]
        if name not in state.group.features:
            raise AwsError(
                "ResourceNotFound", f"FeatureGroup [{state.group.name}] has no feature [{name}]."
            )
        return state, name


def _switches_to_on_demand(before: FeatureGroup, after: FeatureGroup) -> bool:
    modes = [(g.throughput or {}).get("ThroughputMode", "OnDemand") for g in (before, after)]
    return modes == ["Provisioned", "OnDemand"]


def _with_changes(
    held: FeatureMetadata, params: Mapping[str, Any], now_s: float
) -> FeatureMetadata:
    added = {each["Key"]: each["Value"] for each in params.get("ParameterAdditions", [])}
    removed = params.get("ParameterRemovals", [])
    parameters = {k: v for k, v in {**held.parameters, **added}.items() if k not in removed}
    if len(parameters) > _MAX_PARAMETERS:
        raise invalid_settings(f"A feature has at most {_MAX_PARAMETERS} parameters.")
    return FeatureMetadata(
        modified_at_s=now_s,
        description=params.get("Description", held.description),
        parameters=parameters,
    )


def is_about_other_resource(params: Mapping[str, Any]) -> bool:
    """Return whether a call on tags concerns a resource other than a feature group."""
    return ":feature-group/" not in str(params.get("ResourceArn", ""))


def _passes(state: GroupState, params: Mapping[str, Any]) -> bool:
    created_at_s = state.group.created_at_s
    offline_status = (describe_offline_status(state) or {}).get("Status")
    return (
        params.get("NameContains", "") in state.group.name
        and params.get("FeatureGroupStatusEquals", state.status) == state.status
        and params.get("OfflineStoreStatusEquals", offline_status) == offline_status
        and params.get("CreationTimeAfter", created_at_s) <= created_at_s
        and params.get("CreationTimeBefore", created_at_s) >= created_at_s
    )


def _summary(state: GroupState) -> dict[str, Any]:
    summary = {
        "FeatureGroupName": state.group.name,
        "FeatureGroupArn": state.group.arn,
        "CreationTime": state.group.created_at_s,
        "FeatureGroupStatus": state.status,
        "OfflineStoreStatus": describe_offline_status(state),
    }
    return {name: value for name, value in summary.items() if value is not None}


def _offset(token: str) -> int:
    if not token.isdecimal():
        raise AwsError("ValidationException", "NextToken was not issued by this service.")
    return int(token)


def _read_tags(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _write_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
