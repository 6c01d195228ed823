from typing import Any

import pytest

from featurestore_local.athena.errors import QueryError


def put(lake: Any, key: str, body: bytes = b"x") -> None:
    lake.s3.put_object(Bucket="lake", Key=key, Body=body)


def test_hidden_objects_and_the_neighbours_are_not_read(lake: Any) -> None:
    for key in ("t/a", "t/deep/b", "t/_hidden", "t/.x/c", "t/_delta/d", "t2/e", "t/"):
        put(lake, key)
    assert [each.uri for each in lake.objects.under("s3://lake/t")] == [
        "s3://lake/t/a",
        "s3://lake/t/deep/b",
    ]


def test_a_bucket_that_is_not_there_is_said_so(lake: Any) -> None:
    with pytest.raises(QueryError, match="bucket nowhere does not exist"):
        list(lake.objects.under("s3://nowhere/t"))


def test_each_version_of_an_object_is_copied_once(lake: Any) -> None:
    put(lake, "t/a", b"old")
    [old] = lake.objects.under("s3://lake/t")
    path = lake.objects.copy(old)
    assert path.read_bytes() == b"old"
    path.write_bytes(b"kept")
    assert lake.objects.copy(old).read_bytes() == b"kept"
    put(lake, "t/a", b"new")
    [new] = lake.objects.under("s3://lake/t")
    assert lake.objects.copy(new).read_bytes() == b"new"


def test_an_object_that_has_gone_fails_the_query(lake: Any) -> None:
    put(lake, "t/a")
    [found] = lake.objects.under("s3://lake/t")
    lake.delete(found.uri)
    with pytest.raises(QueryError, match="HIVE_CANNOT_OPEN_SPLIT"):
        lake.objects.copy(found)
    with pytest.raises(QueryError, match="HIVE_CANNOT_OPEN_SPLIT"):
        lake.objects.head(found.uri)


def test_what_is_written_is_read(lake: Any) -> None:
    lake.objects.write("s3://lake/a/b c", b"body")
    assert lake.objects.read("s3://lake/a/b c") == b"body"
    assert lake.objects.head("s3://lake/a/b c").size_bytes == 4
