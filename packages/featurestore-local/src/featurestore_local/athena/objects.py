"""S3 objects as local files, the only source that DuckDB reads without extensions."""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from featurestore_local.athena.errors import QueryError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Object:
    """One version of an object, identified by its entity tag."""

    uri: str
    etag: str
    size_bytes: int


class Objects:
    """S3 for the query engine; each version of an object is fetched once.

    Args:
        s3: Stores the objects.
        directory: Holds their copies; the caller removes it.
    """

    def __init__(self, s3: "S3Client", directory: Path) -> None:
        self._s3 = s3
        self.directory = directory

    def under(self, uri: str) -> Iterator[S3Object]:
        """Yield the objects below a URI, without those that Athena hides for a ``_`` or ``.``."""
        bucket, prefix = _split(uri.rstrip("/") + "/")
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            for page in pages:
                for each in page.get("Contents", []):
                    inner = each["Key"].removeprefix(prefix)
                    if inner and not any(part[:1] in {"_", "."} for part in inner.split("/")):
                        yield S3Object(
                            uri=f"s3://{bucket}/{each['Key']}",
                            etag=each["ETag"],
                            size_bytes=each["Size"],
                        )
        except self._s3.exceptions.NoSuchBucket as error:
            raise QueryError(
                "HIVE_METASTORE_ERROR", f"The bucket {bucket} does not exist"
            ) from error

    def head(self, uri: str) -> S3Object:
        """Return an object by its URI.

        Raises:
            QueryError: It isn't there.
        """
        bucket, key = _split(uri)
        try:
            found = self._s3.head_object(Bucket=bucket, Key=key)
        except self._s3.exceptions.ClientError as error:
            raise _gone(uri) from error
        return S3Object(uri=uri, etag=found["ETag"], size_bytes=found["ContentLength"])

    def read(self, uri: str) -> bytes:
        """Return the content of an object.

        Raises:
            QueryError: It isn't there.
        """
        bucket, key = _split(uri)
        try:
            return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self._s3.exceptions.ClientError as error:
            raise _gone(uri) from error

    def copy(self, found: S3Object) -> Path:
        """Return a local copy of an object.

        Raises:
            QueryError: It has been deleted since it was found.
        """
        name = hashlib.sha256(f"{found.uri} {found.etag}".encode()).hexdigest()
        path = self.directory / f"{name}.parquet"
        if not path.exists():
            # Queries run concurrently, so a file must appear whole or not at all.
            unfinished = self.directory / f"{uuid.uuid4()}.part"
            unfinished.write_bytes(self.read(found.uri))
            unfinished.replace(path)
        return path

    def write(self, uri: str, body: bytes) -> None:
        """Store an object."""
        bucket, key = _split(uri)
        self._s3.put_object(Bucket=bucket, Key=key, Body=body)


def _split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri, allow_fragments=False)
    return parts.netloc, parts.path.removeprefix("/")


def _gone(uri: str) -> QueryError:
    return QueryError(
        "HIVE_CANNOT_OPEN_SPLIT",
        f"Error opening Hive split {uri}: The specified key does not exist",
    )
