"""Recordings: files of transactions with the time at which each arrived.

A recording is a text file with one JSON object per line, in order of arrival, gzipped
or not::

    {"arrived_at": 1729334970.063, "tx": {"hash": "5267...", "time": 1729334970, ...}}

``tx`` keeps the bytes that the source sent: numbers beyond 2^53, the order of keys and
every fault of a transaction survive reading and writing unchanged.
"""

import gzip
import io
import itertools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Any, Self

import msgspec

from txfeatures.domain.errors import FatalError

_GZIP_MAGIC = b"\x1f\x8b"
_YEAR_10000_S = 253_402_300_800  # the first second that an HTTP date can't express


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One transaction and the moment it became visible.

    ``time``, ``tx_index`` and ``hash`` are read from ``tx`` for sorting and counting.
    Each is optional: if ``tx`` lacks it or has it in another type, it is 0 or None.

    Attributes:
        arrived_at: Epoch seconds.
        tx: The transaction's JSON, byte for byte.
        time: The source's own time of the transaction, epoch seconds.
        tx_index: The source's number of the transaction.
        hash: The transaction's hash in hexadecimal.
    """

    arrived_at: float
    tx: msgspec.Raw
    time: int
    tx_index: int
    hash: str | None

    @classmethod
    def of(cls, *, arrived_at: float, tx: msgspec.Raw) -> Self:
        """Return the arrival of ``tx`` at ``arrived_at``; accepts any ``tx``."""
        try:
            keys = _KEYS.decode(tx)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            keys = _Keys()
        return cls(
            arrived_at=arrived_at,
            tx=tx,
            time=_int_or_zero(keys.time),
            tx_index=_int_or_zero(keys.tx_index),
            hash=keys.hash if isinstance(keys.hash, str) else None,
        )


class _Keys(msgspec.Struct):
    """The sort keys of a transaction, of any type: the source is not to be trusted."""

    time: Any = None
    tx_index: Any = None
    hash: Any = None


class _Line(msgspec.Struct):
    """One line of a recording, with its keys in the order written."""

    arrived_at: Annotated[float, msgspec.Meta(ge=0, lt=_YEAR_10000_S)]
    tx: msgspec.Raw


_KEYS = msgspec.json.Decoder(_Keys)
_LINE = msgspec.json.Decoder(_Line)


def _int_or_zero(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def read(path: Path) -> Iterator[Arrival]:
    """Read a recording, gzipped or not, one arrival at a time.

    The first line is read before this returns, so that a wrong path fails at once; the
    rest is read on demand, in bounded memory.

    Raises:
        FatalError: The file can't be read or has no arrivals; later, from the iterator:
            a line is broken. The message names the file and the line.
    """
    arrivals = _read(path)
    first = next(arrivals, None)
    if first is None:
        raise FatalError(f"The recording {path} is empty: record again or name another file.")
    return itertools.chain([first], arrivals)


def _read(path: Path) -> Iterator[Arrival]:
    number = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, start=1):  # noqa: B007 - used in the errors below
                if line.strip():
                    fields = _LINE.decode(line)
                    yield Arrival.of(arrived_at=fields.arrived_at, tx=fields.tx)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FatalError(
            f"Line {number} of the recording {path} is broken ({error}): "
            "repair or delete that line."
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FatalError(
            f"The recording {path} can't be unzipped beyond line {number} ({error}): "
            "fetch it again, or keep the lines before it in a new file."
        ) from error
    except OSError as error:
        raise FatalError(
            f"The recording {path} can't be read ({error.strerror}): name a file that exists."
        ) from error


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    with path.open("rb") as file:
        zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return gzip.open(path, "rb") if zipped else path.open("rb")


class RecordingWriter:
    """A context manager that appends arrivals to a recording, gzipped if it ends in ``.gz``.

    The file is a complete recording after every batch: a batch is one gzip member and is
    flushed to the operating system before :meth:`write` returns.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zipped = path.suffix.lower() == ".gz"
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Open the file, created if absent.

        Raises:
            FatalError: The file can't be opened.
        """
        try:
            self._file = self._path.open("ab")
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, batch: Iterable[Arrival]) -> None:
        """Append ``batch`` in its order.

        Raises:
            FatalError: The file can't be written, for example because the disk is full.
        """
        if self._file is None:
            raise RuntimeError("a RecordingWriter writes only inside its with statement")
        lines = b"".join(_encode(arrival) for arrival in batch)
        if not lines:
            return
        try:
            self._file.write(gzip.compress(lines, mtime=0) if self._zipped else lines)
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> FatalError:
        return FatalError(
            f"The recording {self._path} can't be written ({error.strerror}): "
            "make room or name another file."
        )


def _encode(arrival: Arrival) -> bytes:
    line = msgspec.json.encode(_Line(arrived_at=arrival.arrived_at, tx=arrival.tx))
    # Indented JSON from the source would break the line. A raw line end in JSON can only
    # stand between tokens, where a space is equivalent.
    return line.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
