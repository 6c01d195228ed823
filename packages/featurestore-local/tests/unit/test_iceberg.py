from typing import Literal

import pytest

from featurestore_local.iceberg import Metadata, Snapshot, as_input, is_iceberg


def snapshot(
    time_ms: int,
    *added: str,
    removed: tuple[str, ...] = (),
    operation: Literal["append", "replace"] = "append",
) -> Snapshot:
    return Snapshot(
        snapshot_id=time_ms,
        timestamp_ms=time_ms,
        operation=operation,
        added=added,
        removed=removed,
    )


@pytest.fixture
def packed() -> Metadata:
    """Two objects that a third has taken the place of, and a fourth."""
    metadata = Metadata()
    for change in (
        snapshot(10, "a"),
        snapshot(20, "b"),
        snapshot(30, "ab", removed=("a", "b"), operation="replace"),
        snapshot(40, "c"),
    ):
        metadata = metadata.changed(change)
    return metadata


def test_the_newest_snapshot_says_what_is_read(packed: Metadata) -> None:
    assert packed.data_files() == ["ab", "c"]
    assert packed.known_files() == {"a", "b", "ab", "c"}


@pytest.mark.parametrize(
    ("before_ms", "keep", "known"),
    [
        (10, 1, {"a", "b", "ab", "c"}),
        (15, 1, {"a", "b", "ab", "c"}),  # the snapshot of 20 still reads a and b
        (25, 1, {"ab", "c"}),
        (35, 1, {"ab", "c"}),
        (99, 1, {"ab", "c"}),
        (99, 4, {"a", "b", "ab", "c"}),
    ],
)
def test_old_snapshots_are_forgotten_and_readers_see_the_same(
    packed: Metadata, before_ms: int, keep: int, known: set[str]
) -> None:
    expired = packed.expired(before_ms, keep=keep)
    assert expired.data_files() == packed.data_files()
    assert expired.known_files() == known


def test_expiring_again_changes_nothing(packed: Metadata) -> None:
    once = packed.expired(99, keep=1)
    assert once.expired(99, keep=1).known_files() == once.known_files()


@pytest.mark.parametrize("steps", [(15, 25), (25, 35), (25, 45), (15, 35), (15, 25, 35, 45)])
def test_expiring_in_steps_forgets_as_much_as_at_once(
    packed: Metadata, steps: tuple[int, ...]
) -> None:
    stepwise = packed
    for before_ms in steps:
        stepwise = stepwise.expired(before_ms, keep=1)
    assert stepwise == packed.expired(steps[-1], keep=1)
    assert stepwise.data_files() == packed.data_files()


def test_iceberg_tables_are_told_by_their_parameters() -> None:
    assert is_iceberg({"Parameters": {"table_type": "iceberg"}})
    assert not is_iceberg({"Name": "t"})


def test_an_update_takes_no_more_than_it_may() -> None:
    assert as_input({"Name": "t", "CreateTime": 1, "Parameters": {}}) == {
        "Name": "t",
        "Parameters": {},
    }
