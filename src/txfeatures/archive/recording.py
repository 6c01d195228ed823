"""Recordings: transactions and when each arrived, as a file to write and to replay.

A recording is a text file of one JSON object a line, in order of arrival, gzipped
or not::

    {"arrived_at": 1729334970.063, "tx": {"hash": "5267...", "time": 1729334970, ...}}

``tx`` stays the bytes the source sent: numbers past 2^53, the order of keys and
whatever is wrong with a transaction survive reading and writing unchanged.
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
_YEAR_10000_S = 253_402_300_800  # the first second that an HTTP date can't say


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One transaction and the moment it became visible.

    ``time``, ``tx_index`` and ``hash`` are read from ``tx`` for sorting and counting.
    Nothing is demanded of them: a transaction that lacks one, or has it in another
    type, still is an arrival, with 0 or None in its place.

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
        """Make the arrival of ``tx`` at ``arrived_at``; never fails, whatever ``tx`` holds."""
        try:
            keys = _KEYS.decode(tx)
        except (msgspec.DecodeError, UnicodeDecodeError):
            keys = _Keys()
        return cls(
            arrived_at=arrived_at,
            tx=tx,
            time=_int_or_zero(keys.time),
            tx_index=_int_or_zero(keys.tx_index),
            hash=keys.hash if isinstance(keys.hash, str) else None,
        )


class _Keys(msgspec.Struct):
    """What sorting needs of a transaction, of any type: the source is not to be trusted."""

    time: Any = None
    tx_index: Any = None
    hash: Any = None


class _Line(msgspec.Struct):
    """One line of a recording; in writing, the order of its keys."""

    arrived_at: Annotated[float, msgspec.Meta(ge=0, lt=_YEAR_10000_S)]
    tx: msgspec.Raw


_KEYS = msgspec.json.Decoder(_Keys)
_LINE = msgspec.json.Decoder(_Line)


def _int_or_zero(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def read(path: Path) -> Iterator[Arrival]:
    """Read a recording, gzipped or not, one arrival at a time.

    The file is opened and its first line read before this returns, so that a wrong
    path is refused at once; the rest is read as it is asked for, in bounded memory.

    Raises:
        FatalError: The file can't be read or has no arrivals; later, from the iterator:
            a line is broken. The sentence names the file and the line.
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
            for number, line in enumerate(lines, start=1):  # noqa: B007 - told in errors below
                if line.strip():
                    fields = _LINE.decode(line)
                    yield Arrival.of(arrived_at=fields.arrived_at, tx=fields.tx)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
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
    """Appends arrivals to a recording; a name that ends in ``.gz`` is gzipped.

    After every batch the file is a whole recording: a batch is one gzip member, and
    is handed to the operating system before :meth:`write` returns. A context manager.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zipped = path.suffix.lower() == ".gz"
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Open the file, made if absent.

        Raises:
            FatalError: It can't be opened.
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
            FatalError: The disk refuses, for example because it is full.
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
    # A source that indents its JSON would tear the line apart. In JSON a raw line end can
    # only stand between tokens, where a space means the same.
    return line.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
