"""The registry of feature groups and their life cycle."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from featurestore_local.clock import Clock
from featurestore_local.errors import AwsError, group_not_found
from featurestore_local.model import FeatureGroup, OnlineStore

# AWS's quota: clients that create groups in parallel must handle the refusal of a fifth.
MAX_CONCURRENT_CREATIONS = 4
MAX_GROUPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMetadata:
    """Description and parameters of a feature."""

    modified_at_s: float
    description: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class GroupState:
    """A feature group and its pending changes, which take a while to settle, as on AWS.

    Attributes:
        status: As DescribeFeatureGroup names it.
        update: The group after the update in progress, or None.
        update_status: ``InProgress`` or ``Successful``; None before the first update.
        blocked_reason: The reason that offline rows can't be written, or None.
        metadata: Description and parameters per feature that has any.
        on_demand_at_s: Time of the last switch of its throughput to on-demand, or None.
    """

    group: FeatureGroup
    settles_at_s: float
    modified_at_s: float
    status: str = "Creating"
    failure: str | None = None
    update: FeatureGroup | None = None
    update_status: str | None = None
    blocked_reason: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, FeatureMetadata] = field(default_factory=dict)
    on_demand_at_s: float | None = None
    online: OnlineStore = field(default_factory=OnlineStore)


class Registry:
    """The account's feature groups.

    Callers hold ``lock`` while they read or change the states that this returns.

    Args:
        clock: Determines when a change has settled.
        settling_s: Duration of creations, updates and deletions.
    """

    def __init__(self, *, clock: Clock, settling_s: float) -> None:
        self.lock = threading.RLock()
        self._clock = clock
        self._settling_s = settling_s
        self._states: dict[str, GroupState] = {}

    def create(self, group: FeatureGroup, tags: dict[str, str]) -> GroupState:
        """Add a group in status Creating.

        Raises:
            AwsError: ResourceInUse or ResourceLimitExceeded.
        """
        if self.find(group.name) is not None:
            raise AwsError(
                "ResourceInUse",
                f"Resource Already Exists: FeatureGroup with name {group.name} already exists. "
                "Choose a different name.",
            )
        if sum(1 for _ in self) >= MAX_GROUPS:
            raise AwsError(
                "ResourceLimitExceeded",
                "The account-level service limit 'Maximum number of feature groups per AWS "
                f"account' is {MAX_GROUPS} FeatureGroups. Delete one that is no longer needed.",
            )
        if sum(state.status == "Creating" for state in self) >= MAX_CONCURRENT_CREATIONS:
            raise AwsError(
                "ResourceLimitExceeded",
                "The account-level service limit 'Maximum number of feature group creation "
                f"workflows executing in parallel' is {MAX_CONCURRENT_CREATIONS} FeatureGroups. "
                "Wait for the others, then try again.",
            )
        now_s = self._clock.now()
        state = GroupState(
            group=group, settles_at_s=now_s + self._settling_s, modified_at_s=now_s, tags=tags
        )
        self._states[group.name] = state
        return state

    def update(self, state: GroupState, group: FeatureGroup) -> None:
        """Start an update, which replaces the group by ``group`` once it has settled."""
        state.update, state.update_status = group, "InProgress"
        self._unsettle(state)

    def delete(self, state: GroupState) -> None:
        """Start a deletion, which removes the group once it has settled."""
        state.status = "Deleting"
        self._unsettle(state)

    def find(self, name_or_arn: str) -> GroupState | None:
        """Return a group in any status, or None."""
        name = name_or_arn.rpartition("/")[2]
        state = self._states.get(name)
        if state is not None and self._clock.now() >= state.settles_at_s:
            self._settle(name, state)
        return self._states.get(name)

    def get(self, name_or_arn: str) -> GroupState:
        """Return a group in any status.

        Raises:
            AwsError: ResourceNotFound.
        """
        state = self.find(name_or_arn)
        if state is None:
            raise group_not_found("ResourceNotFound", name_or_arn)
        return state

    def serving(self, name_or_arn: str, code: str) -> GroupState:
        """Return a group whose records can be written and read.

        Raises:
            AwsError: With ``code``; there is no such group, or its status isn't Created.
        """
        state = self.find(name_or_arn)
        if state is None or state.status != "Created":
            raise group_not_found(code, name_or_arn)
        return state

    def __iter__(self) -> Iterator[GroupState]:
        found = (self.find(name) for name in list(self._states))
        return iter([state for state in found if state is not None])

    def _unsettle(self, state: GroupState) -> None:
        state.modified_at_s = self._clock.now()
        state.settles_at_s = state.modified_at_s + self._settling_s

    def _settle(self, name: str, state: GroupState) -> None:
        if state.status == "Deleting":
            del self._states[name]
        elif state.status == "Creating":
            state.status = "Created"
        elif state.update is not None:
            state.group = state.update
            state.update, state.update_status = None, "Successful"
