from dataclasses import replace
from typing import Any

import pytest

from featurestore_local.clock import ManualClock
from featurestore_local.errors import AwsError
from featurestore_local.registry import Registry


def test_a_group_serves_once_its_creation_has_settled(
    registry: Registry, clock: ManualClock, make_group: Any
) -> None:
    state = registry.create(make_group(), {})
    assert registry.get("group").status == "Creating"
    with pytest.raises(AwsError, match="can't find"):
        registry.serving("group", "ValidationError")
    clock.advance(1.0)
    assert registry.serving("group", "ValidationError") is state


def test_a_group_is_found_by_name_and_by_arn(registry: Registry, make_group: Any) -> None:
    state = registry.create(make_group(), {})
    assert registry.get("group") is registry.get(state.group.arn) is state


def test_a_name_is_taken_until_its_deletion_has_settled(
    registry: Registry, clock: ManualClock, make_group: Any
) -> None:
    state = registry.create(make_group(), {})
    clock.advance(1.0)
    registry.delete(state)
    assert registry.get("group").status == "Deleting"
    with pytest.raises(AwsError, match="already exists") as caught:
        registry.create(make_group(), {})
    assert caught.value.code == "ResourceInUse"
    clock.advance(1.0)
    assert registry.create(make_group(), {}) is not state


def test_an_update_shows_when_it_has_settled(
    registry: Registry, clock: ManualClock, make_group: Any
) -> None:
    state = registry.create(make_group(), {})
    clock.advance(1.0)
    registry.update(registry.get("group"), replace(state.group, description="new"))
    assert (registry.get("group").update_status, state.group.description) == ("InProgress", None)
    clock.advance(1.0)
    assert registry.get("group").update_status == "Successful"
    assert state.group.description == "new"


def test_a_fifth_creation_at_once_is_refused(
    registry: Registry, clock: ManualClock, make_group: Any
) -> None:
    for number in range(4):
        registry.create(make_group(f"g{number}"), {})
    with pytest.raises(AwsError, match="executing in parallel") as caught:
        registry.create(make_group("g4"), {})
    assert caught.value.code == "ResourceLimitExceeded"
    clock.advance(1.0)
    registry.create(make_group("g4"), {})
    assert len(list(registry)) == 5


def test_an_unknown_group_is_not_found(registry: Registry) -> None:
    with pytest.raises(AwsError) as caught:
        registry.get("nobody")
    assert caught.value.code == "ResourceNotFound"


def test_an_account_has_at_most_100_groups(
    registry: Registry, clock: ManualClock, make_group: Any
) -> None:
    for number in range(100):
        registry.create(make_group(f"g{number}"), {})
        clock.advance(1.0)
    with pytest.raises(AwsError, match="per AWS account' is 100") as caught:
        registry.create(make_group("g100"), {})
    assert caught.value.code == "ResourceLimitExceeded"
