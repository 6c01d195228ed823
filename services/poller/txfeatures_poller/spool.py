"""Records that Kafka has not acknowledged, on disk and in order, until it does."""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import OutgoingRecord

_SCHEMA = """
    PRAGMA locking_mode = EXCLUSIVE;  -- one poller per file
    PRAGMA auto_vacuum = FULL;        -- records that were sent give their room back
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;      -- outlives the process; a power cut may take the last seconds
    PRAGMA journal_size_limit = 0;
    CREATE TABLE IF NOT EXISTS batches (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        records BLOB NOT NULL
    );
"""

_encode = msgspec.msgpack.Encoder().encode
_records = msgspec.msgpack.Decoder(list[OutgoingRecord])


class SpoolError(TransientError):
    """The disk refused; the records are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledBatch:
    """Records that are acknowledged together before anything later is sent."""

    number: int
    records: Sequence[OutgoingRecord]


class Spool:
    """A queue of batches in a file; survives the process. Safe to use from several threads.

    Args:
        path: The file; it and its directory are made if absent.

    Raises:
        FatalError: The file can't be used, or another process uses it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                path, timeout=0.0, isolation_level=None, check_same_thread=False
            )
            self._database.executescript(_SCHEMA)
            self._size_bytes = int(
                self._database.execute("SELECT total(length(records)) FROM batches").fetchone()[0]
            )
        except (OSError, sqlite3.Error) as error:
            raise FatalError(
                f"the spool {path} can't be used ({error}): make its directory writable, give "
                "each poller a TXF_POLLER_NAME of its own, or move a broken file away"
            ) from error

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file; its batches stay."""
        with self._lock:
            self._database.close()

    @property
    def size_bytes(self) -> int:
        """Bytes of the batches that wait; 0 if none does."""
        return self._size_bytes

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Add a batch to the end; it is kept when this returns.

        Raises:
            SpoolError: The disk is full or fails.
        """
        blob = _encode(records)
        self._execute("INSERT INTO batches (records) VALUES (?)", (blob,), grows_by=len(blob))

    def first(self) -> SpooledBatch | None:
        """Return the oldest batch, None if there is none.

        Raises:
            SpoolError: The disk fails.
            FatalError: The file holds something that no poller wrote.
        """
        row = self._execute("SELECT number, records FROM batches ORDER BY number LIMIT 1")
        if row is None:
            return None
        try:
            return SpooledBatch(number=row[0], records=_records.decode(row[1]))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FatalError(
                f"the spool {self._path} is broken ({error}): move the file away and start again"
            ) from error

    def keep(self, batch: SpooledBatch, records: Sequence[OutgoingRecord]) -> None:
        """Keep only ``records`` of ``batch``, in its place; without any it is removed.

        Raises:
            SpoolError: The disk fails.
        """
        size_bytes = len(_encode(batch.records))
        if records:
            blob = _encode(records)
            self._execute(
                "UPDATE batches SET records = ? WHERE number = ?",
                (blob, batch.number),
                grows_by=len(blob) - size_bytes,
            )
        else:
            self._execute(
                "DELETE FROM batches WHERE number = ?", (batch.number,), grows_by=-size_bytes
            )

    def _execute(
        self, statement: str, values: tuple[bytes | int, ...] = (), *, grows_by: int = 0
    ) -> tuple[int, bytes] | None:
        with self._lock:
            try:
                row: tuple[int, bytes] | None = self._database.execute(statement, values).fetchone()
            except sqlite3.Error as error:
                raise SpoolError(f"the spool {self._path} failed: {error}") from error
            self._size_bytes += grows_by
            return row
