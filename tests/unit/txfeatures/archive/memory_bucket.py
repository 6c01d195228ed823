"""A bucket in memory with the rules of S3, shared by processes that can be killed."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from txfeatures.archive.bucket import ChangedError, ListedObject, MissingError, StoredObject
from txfeatures.process.clock import Clock, ManualClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    body: bytes
    modified_s: float
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


class KilledError(BaseException):
    """The death of a process: nothing in it runs after this."""


def nothing(_operation: str, _key: str) -> None:
    """Do nothing before or after a call."""


class MemoryBucket:
    """A bucket as one process sees it.

    Args:
        objects: The stored objects; pass the same to each process.
        clock: The clock of S3.
        before: Called before each call takes effect; may raise its failure.
        after: Called once it has taken effect, before the call returns.
    """

    name = "txfeatures"

    def __init__(
        self,
        objects: dict[str, Held] | None = None,
        *,
        clock: Clock | None = None,
        before: Callable[[str, str], None] = nothing,
        after: Callable[[str, str], None] = nothing,
    ) -> None:
        self.objects = {} if objects is None else objects
        self.clock = clock or ManualClock()
        self.before = before
        self.after = after
        self._lock = threading.RLock()

    def get(self, key: str) -> StoredObject:
        self.before("get", key)
        held = self._held(key)
        self.after("get", key)
        return StoredObject(body=held.body, etag=held.etag, modified_s=held.modified_s)

    def download(self, key: str, path: Path) -> None:
        self.before("download", key)
        path.write_bytes(self._held(key).body)
        self.after("download", key)

    def put(
        self,
        key: str,
        body: bytes | BufferedReader,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.before("put", key)
        content = body if isinstance(body, bytes) else body.read()
        self.objects[key] = Held(body=content, modified_s=self.clock.now(), metadata=metadata or {})
        self.after("put", key)

    def put_if(self, key: str, body: bytes, *, etag: str | None) -> str:
        self.before("put_if", key)
        with self._lock:
            held = self.objects.get(key)
            if (held.etag if held else None) != etag:
                raise ChangedError("PreconditionFailed", f"another process has written {key}")
            self.objects[key] = held = Held(body=body, modified_s=self.clock.now())
        self.after("put_if", key)
        return held.etag

    def list(self, prefix: str, *, after: str = "") -> Iterator[ListedObject]:
        self.before("list", prefix)
        found = [
            ListedObject(key=key, size_bytes=len(self.objects[key].body))
            for key in sorted(self.objects)
            if key.startswith(prefix) and key > after
        ]
        self.after("list", prefix)
        yield from found

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.before("delete", key)
            self.objects.pop(key, None)
            self.after("delete", key)

    def _held(self, key: str) -> Held:
        held = self.objects.get(key)
        if held is None:
            raise MissingError(f"there is no object {key}")
        return held
