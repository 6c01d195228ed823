"""The data objects of an Iceberg table: snapshots, listed by one metadata object.

As in Iceberg, the Glue table points to the metadata of the moment, and a change is a new
metadata object and a new pointer: readers see all of it or nothing. Unlike Iceberg, the
metadata lists the data objects itself, in JSON, since manifests in Avro would need another
library: Iceberg's own readers can't read these tables.
"""

import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import msgspec

from featurestore_local.clock import Clock

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient
    from types_boto3_s3 import S3Client

METADATA_LOCATION = "metadata_location"

# The properties of a Glue table that an update takes back as they were described.
_UPDATABLE = ("Name", "TableType", "Parameters", "StorageDescriptor", "PartitionKeys")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the table, as what it adds and what it takes away.

    Attributes:
        timestamp_ms: When it was made, epoch milliseconds.
        operation: ``append`` for new rows, ``replace`` for the same rows in other objects.
    """

    snapshot_id: int
    timestamp_ms: int
    operation: Literal["append", "replace"]
    added: tuple[str, ...]
    removed: tuple[str, ...] = ()


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The table at one moment.

    Attributes:
        base: Data objects of before the first snapshot, as far as it left them.
        snapshots: Oldest first.
    """

    format_version: int = 2
    base: tuple[str, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()

    def data_files(self) -> list[str]:
        """Return the URIs of the objects that readers read."""
        return _applied(self.base, self.snapshots)

    def known_files(self) -> set[str]:
        """Return the URIs that some snapshot that is kept still reads."""
        return {*self.base, *(uri for each in self.snapshots for uri in each.added)}

    def changed(self, snapshot: Snapshot) -> "Metadata":
        """Return the table after another change."""
        return msgspec.structs.replace(self, snapshots=(*self.snapshots, snapshot))

    def expired(self, before_ms: int, *, keep: int) -> "Metadata":
        """Return the table without the snapshots of before ``before_ms``, but ``keep`` of them.

        What readers read now doesn't change.
        """
        old = sum(each.timestamp_ms < before_ms for each in self.snapshots)
        cut = max(0, min(old, len(self.snapshots) - keep))
        gone, rest = self.snapshots[:cut], self.snapshots[cut:]
        # Objects that the oldest kept snapshot removed are read no more.
        unread = set(rest[0].removed) if rest else set()
        base = tuple(uri for uri in _applied(self.base, gone) if uri not in unread)
        return msgspec.structs.replace(self, base=base, snapshots=rest)


class IcebergTables:
    """The Iceberg tables of the account.

    Args:
        glue: The catalog; one that fails leaves the table as it was.
        s3: Where metadata and data are.
        clock: Says when a snapshot is made.

    Attributes:
        lock: Held by whoever changes a Glue table: Glue takes it whole, so that of two
            changes at a time one would be lost.
    """

    def __init__(self, glue: "GlueClient", s3: "S3Client", clock: Clock) -> None:
        self._glue = glue
        self._s3 = s3
        self._clock = clock
        self.lock = threading.RLock()

    def data_files(self, table: Mapping[str, Any]) -> list[str]:
        """Return the URIs of what a table, as Glue describes it, has now."""
        with self.lock:
            return self._metadata(table).data_files()

    def append(self, database: str, name: str, uris: Sequence[str]) -> None:
        """Add objects to a table.

        Raises:
            ClientError: Glue or S3 refused; the table is as it was.
        """
        self._change(database, name, lambda m: m.changed(self._snapshot("append", uris, ())))

    def replace(
        self, database: str, name: str, *, added: Sequence[str], removed: Sequence[str]
    ) -> None:
        """Let objects take the place of others that hold the same rows.

        Raises:
            ClientError: Glue or S3 refused; the table is as it was.
        """
        self._change(database, name, lambda m: m.changed(self._snapshot("replace", added, removed)))

    def expire(self, database: str, name: str, *, max_age_s: float, keep: int) -> set[str]:
        """Forget old snapshots; return the URIs that none reads any more.

        Raises:
            ClientError: Glue or S3 refused; the table is as it was.
        """
        before_ms = int((self._clock.now() - max_age_s) * 1000)
        old, new = self._change(database, name, lambda m: m.expired(before_ms, keep=keep))
        return old.known_files() - new.known_files()

    def _change(
        self, database: str, name: str, change: Callable[[Metadata], Metadata]
    ) -> tuple[Metadata, Metadata]:
        with self.lock:
            table: Any = self._glue.get_table(DatabaseName=database, Name=name)["Table"]
            old = self._metadata(table)
            new = change(old)
            former = table["Parameters"].get(METADATA_LOCATION)
            location = table["StorageDescriptor"]["Location"].removesuffix("/data")
            pointer = f"{location}/metadata/{uuid.uuid4()}.metadata.json"
            self._s3.put_object(**_address(pointer), Body=msgspec.json.encode(new))
            table["Parameters"][METADATA_LOCATION] = pointer
            self._glue.update_table(DatabaseName=database, TableInput=as_input(table))
            if former is not None:
                self._s3.delete_object(**_address(former))
            return old, new

    def _metadata(self, table: Mapping[str, Any]) -> Metadata:
        # Pointers move on between a reader's look at Glue and here: it gets the newest.
        newest = self._glue.get_table(DatabaseName=table["DatabaseName"], Name=table["Name"])
        pointer = newest["Table"]["Parameters"].get(METADATA_LOCATION)
        if pointer is None:
            return Metadata()
        body = self._s3.get_object(**_address(pointer))["Body"].read()
        return msgspec.json.decode(body, type=Metadata)

    def _snapshot(
        self, operation: Literal["append", "replace"], added: Sequence[str], removed: Sequence[str]
    ) -> Snapshot:
        return Snapshot(
            snapshot_id=uuid.uuid4().int >> 65,
            timestamp_ms=int(self._clock.now() * 1000),
            operation=operation,
            added=tuple(added),
            removed=tuple(removed),
        )


def is_iceberg(table: Mapping[str, Any]) -> bool:
    """Return whether Glue describes an Iceberg table."""
    return str(table.get("Parameters", {}).get("table_type", "")).upper() == "ICEBERG"


def as_input(table: Mapping[str, Any]) -> Any:
    """Return what an update of a Glue table takes, of what Glue describes."""
    return {name: table[name] for name in _UPDATABLE if name in table}


def _applied(base: Collection[str], snapshots: Collection[Snapshot]) -> list[str]:
    live = dict.fromkeys(base)
    for snapshot in snapshots:
        live = {uri: None for uri in live if uri not in set(snapshot.removed)}
        live |= dict.fromkeys(snapshot.added)
    return list(live)


def _address(uri: str) -> Any:
    parts = urlsplit(uri)
    return {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}
