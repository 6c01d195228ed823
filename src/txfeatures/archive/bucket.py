"""The operations of S3 that the archive uses, with S3's errors mapped to ours."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from txfeatures.domain.errors import FatalError, TransientError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

T = TypeVar("T")

MAX_DELETED_KEYS = 1000
"""Most keys that one DeleteObjects takes."""

BODY_ATTEMPTS = 3
"""Attempts to read an object whose body breaks off: a client's own retries end at the headers."""

_CONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_MISSING = frozenset({"NoSuchKey", "404"})
_REFUSED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


class S3UnavailableError(TransientError):
    """A temporary refusal by S3; ``code`` is the error code that it returned."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class ChangedError(S3UnavailableError):
    """A conditional write that S3 refused because the object has changed."""


class MissingError(TransientError):
    """A key without an object, which may have been deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as read: its bytes, its ETag and the time of its last write, epoch seconds."""

    body: bytes
    etag: str
    modified_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """An object in a listing."""

    key: str
    size_bytes: int


class Bucket(Protocol):
    """A bucket of the archive. Every call may raise S3UnavailableError or FatalError."""

    @property
    def name(self) -> str:
        """The bucket's name."""
        ...

    def get(self, key: str) -> StoredObject:
        """Return an object; MissingError if there is none."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Write an object to a file; MissingError if there is none."""
        ...

    def put(
        self,
        key: str,
        body: bytes | BufferedReader,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Store an object; replace one of the same key."""
        ...

    def put_if(self, key: str, body: bytes, *, etag: str | None) -> str:
        """Store a text if the object has this ETag or, with None, if there is no object.

        Returns:
            The new ETag.

        Raises:
            ChangedError: The object has another ETag, or exists.
        """
        ...

    def list(self, prefix: str, *, after: str = "") -> Iterator[ListedObject]:
        """Yield the objects under ``prefix`` by key, from the first one after ``after``."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; a key without an object is no error."""
        ...


class S3Bucket:
    """A bucket in S3.

    Args:
        client: A client of S3, shared between threads.
        name: The bucket's name.
    """

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self._name = name

    @property
    def name(self) -> str:
        """The bucket's name."""
        return self._name

    def get(self, key: str) -> StoredObject:
        """Return an object; MissingError if there is none."""

        def stored(answer: "GetObjectOutputTypeDef") -> StoredObject:
            return StoredObject(
                body=answer["Body"].read(),
                etag=answer["ETag"],
                modified_s=answer["LastModified"].timestamp(),
            )

        return self._read(key, stored)

    def download(self, key: str, path: Path) -> None:
        """Write an object to a file; MissingError if there is none."""

        def write(answer: "GetObjectOutputTypeDef") -> None:
            with path.open("wb") as file:
                for chunk in answer["Body"].iter_chunks(1024 * 1024):
                    file.write(chunk)

        self._read(key, write)

    def put(
        self,
        key: str,
        body: bytes | BufferedReader,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Store an object; replace one of the same key."""
        with self._errors(key):
            self._client.put_object(
                Bucket=self._name,
                Key=key,
                Body=body,
                ContentType=content_type,
                Metadata=dict(metadata or {}),
            )

    def put_if(self, key: str, body: bytes, *, etag: str | None) -> str:
        """Store a text if the object is unchanged, and return the new ETag."""
        with self._errors(key, is_conditional=True):
            if etag is None:
                answer = self._client.put_object(
                    Bucket=self._name,
                    Key=key,
                    Body=body,
                    ContentType="text/plain",
                    IfNoneMatch="*",
                )
            else:
                answer = self._client.put_object(
                    Bucket=self._name, Key=key, Body=body, ContentType="text/plain", IfMatch=etag
                )
            return answer["ETag"]

    def list(self, prefix: str, *, after: str = "") -> Iterator[ListedObject]:
        """Yield the objects under ``prefix`` by key, in pages of a thousand."""
        with self._errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=prefix, StartAfter=after
            )
            for page in pages:
                for found in page.get("Contents", []):
                    yield ListedObject(key=found["Key"], size_bytes=found["Size"])

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, a thousand per request.

        Raises:
            S3UnavailableError: S3 did not delete some of them.
        """
        for start in range(0, len(keys), MAX_DELETED_KEYS):
            some = keys[start : start + MAX_DELETED_KEYS]
            with self._errors(some[0]):
                answer = self._client.delete_objects(
                    Bucket=self._name,
                    Delete={"Objects": [{"Key": key} for key in some], "Quiet": True},
                )
            for error in answer.get("Errors", []):
                raise S3UnavailableError(
                    error.get("Code", "Unknown"),
                    f"S3: {error.get('Key')} was not deleted: {error.get('Message')}",
                )

    def _read(self, key: str, read: "Callable[[GetObjectOutputTypeDef], T]") -> T:
        with self._errors(key):
            attempt = 1
            while True:
                answer = self._client.get_object(Bucket=self._name, Key=key)
                try:
                    return read(answer)
                except (BotoCoreError, HTTPError):
                    if attempt == BODY_ATTEMPTS:
                        raise
                    attempt += 1

    @contextmanager
    def _errors(self, key: str, *, is_conditional: bool = False) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "Unknown"))
            if code == "NoSuchBucket":
                raise FatalError(
                    f"there is no bucket {self._name}; run `txfeatures bootstrap` "
                    "or set TXF_AWS_BUCKET to the bucket that it created"
                ) from error
            # S3 answers a conditional write to a deleted object with a missing key.
            if code in _CONDITION_FAILED or (is_conditional and code in _MISSING):
                raise ChangedError(code, f"another process has written {key}") from error
            if code in _MISSING:
                raise MissingError(f"there is no object s3://{self._name}/{key}") from error
            if code in _REFUSED:
                raise S3UnavailableError(
                    code, f"S3 refused ({error}); check the permissions and TXF_AWS_BUCKET"
                ) from error
            raise S3UnavailableError(code, _unavailable(error)) from error
        except (BotoCoreError, HTTPError) as error:  # HTTPError: the body broke off
            raise S3UnavailableError(type(error).__name__, _unavailable(error)) from error


def _unavailable(error: Exception) -> str:
    return f"S3 is throttled or unavailable ({error}); run it again later"
