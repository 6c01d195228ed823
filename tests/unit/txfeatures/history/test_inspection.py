import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.txfeatures.archive.memory_bucket import Held, MemoryBucket
from tests.unit.txfeatures.archive.parts import ANEW, SHELF, TOPIC, record, shelf_of, store
from txfeatures.archive.bucket import S3UnavailableError
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.archive.schema import encode
from txfeatures.domain.errors import TransientError
from txfeatures.history.inspection import Inspection


class S3:
    """Tells the marks that are stored with the objects of a bucket."""

    def __init__(self, bucket: MemoryBucket) -> None:
        self._bucket = bucket

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Metadata": dict(self._bucket.objects[Key].metadata)}


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


def inspect(
    bucket: MemoryBucket, names: Sequence[ObjectName], folder: Path
) -> tuple[list[str], int]:
    inspection = Inspection(s3=S3(bucket))  # type: ignore[arg-type]
    readable = inspection.acquire(bucket, names, folder)
    assert inspection.objects == len(names)
    return [f"{damage.key} {damage.reason}" for damage in inspection.damages], len(readable)


def rewritten(change: Callable[[pa.Table], pa.Table]) -> Callable[[Held], Held]:
    def rewrite(held: Held) -> Held:
        body = io.BytesIO()
        pq.write_table(change(pq.read_table(io.BytesIO(held.body))), body)
        return Held(body=body.getvalue(), modified_s=0.0)

    return rewrite


def with_column(name: str, values: list[Any]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        index = table.column_names.index(name)
        return table.set_column(index, name, pa.array(values, table.schema.field(name).type))

    return change


def test_objects_as_the_service_wrote_them_are_intact(bucket: MemoryBucket, tmp_path: Path) -> None:
    names = [store(bucket, range(3)), store(bucket, range(3, 5))]
    assert inspect(bucket, names, tmp_path) == ([], 2)


def test_files_of_an_older_release_lack_columns_and_are_intact(
    bucket: MemoryBucket, tmp_path: Path
) -> None:
    name = store(bucket, range(3))
    body = io.BytesIO()
    whole = pq.read_table(io.BytesIO(bucket.objects[name.key].body))
    pq.write_table(whole.drop_columns(["vin_sz"]), body)
    store_object(bucket, name, body.getvalue(), rows=3)
    assert inspect(bucket, [name], tmp_path) == ([], 1)


@pytest.mark.parametrize(
    ("harm", "words", "readable"),
    [
        (lambda held: Held(body=b"PAR1", modified_s=0.0), "can't be read as Parquet", 0),
        (lambda held: Held(body=held.body, modified_s=0.0), "no checksum", 1),
        (
            lambda held: Held(
                body=encode([record(0), record(9)]), modified_s=0.0, metadata=held.metadata
            ),
            "SHA-256 differs",
            1,
        ),
        (
            lambda held: Held(body=encode([record(0)]), modified_s=0.0, metadata=held.metadata),
            "has 1 rows, 3 were written",
            1,
        ),
        (rewritten(with_column("fee", [0, 1, 99])), "1 of its rows don't match", 1),
        (rewritten(with_column("hash", ["x", "y", None])), "3 of its rows don't match", 1),
        (rewritten(with_column("json", [b"{}", b"{}", b""])), "3 of its rows don't match", 1),
        (rewritten(with_column("topic_partition", [0, 0, 1])), "not those of its name", 1),
        (rewritten(with_column("topic_offset", [1, 2, 3])), "not those of its name", 1),
        (rewritten(with_column("topic_offset", [0, 2, 1])), "offsets do not rise", 1),
        (rewritten(lambda table: table.drop_columns(["json"])), "3 of its rows don't match", 1),
    ],
)
def test_a_damaged_object_is_named_with_what_is_wrong(
    bucket: MemoryBucket,
    tmp_path: Path,
    harm: Callable[[Held], Held],
    words: str,
    readable: int,
) -> None:
    name = store(bucket, range(3))
    bucket.objects[name.key] = harm(bucket.objects[name.key])
    (damage,), found = inspect(bucket, [name], tmp_path)
    assert damage.startswith(name.key)
    assert words in damage
    assert found == readable


def test_an_object_that_is_gone_is_named(bucket: MemoryBucket, tmp_path: Path) -> None:
    names = [store(bucket, range(3)), store(bucket, range(3, 5))]
    del bucket.objects[names[0].key]
    damages, readable = inspect(bucket, names, tmp_path)
    assert damages == [f"{names[0].key} is named by its manifest, but gone"]
    assert readable == 1


def test_an_object_that_a_compaction_has_replaced_meanwhile_is_no_damage(
    bucket: MemoryBucket, tmp_path: Path
) -> None:
    name = store(bucket, range(3))
    manifests = Manifests(bucket)
    manifests.replace(manifests.read(SHELF), [replace(name, last=2)])
    del bucket.objects[name.key]
    with pytest.raises(TransientError, match="run it again"):
        inspect(bucket, [name], tmp_path)


def test_an_object_that_s3_does_not_return_for_now_is_not_reported_as_gone(
    bucket: MemoryBucket, tmp_path: Path
) -> None:
    name = store(bucket, range(3))

    def fail(operation: str, key: str) -> None:
        if operation == "download":
            raise S3UnavailableError("SlowDown", "slow down")

    bucket.before = fail
    with pytest.raises(S3UnavailableError):
        inspect(bucket, [name], tmp_path)


def test_offsets_that_stand_in_two_objects_are_named(bucket: MemoryBucket, tmp_path: Path) -> None:
    names = [store(bucket, range(3)), store(bucket, range(2, 5))]
    (damage,), _ = inspect(bucket, names, tmp_path)
    assert damage == f"{names[1].key} has offsets that {names[0].key} has too"


def test_the_same_offsets_of_a_topic_made_anew_are_no_damage(
    bucket: MemoryBucket, tmp_path: Path
) -> None:
    names = [store(bucket, range(3), shelf=shelf_of(topic)) for topic in ("", TOPIC, ANEW)]
    assert inspect(bucket, names, tmp_path) == ([], 3)


def test_an_emptied_object_is_damage(bucket: MemoryBucket, tmp_path: Path) -> None:
    name = store(bucket, range(3))
    bucket.objects[name.key] = Held(body=b"", modified_s=0.0)
    (damage,), readable = inspect(bucket, [name], tmp_path)
    assert "can't be read as Parquet" in damage
    assert readable == 0
