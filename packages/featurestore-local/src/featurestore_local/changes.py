"""Changes to the stored state, made one at a time and recorded in a journal if there is one.

The state is a function of the changes in their order, so the journal is all that has to
outlive the process: a restart replays each change at its original time.
"""

import fcntl
import io
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from featurestore_local.clock import Clock
from featurestore_local.errors import LocalStoreError

_LENGTH = struct.Struct(">I")


class Change(msgspec.Struct, array_like=True, frozen=True):
    """A request that changes the stored state.

    Attributes:
        at_s: Time of the request, in epoch seconds.
        environ: The strings of its WSGI environment.
        body: Its body.
    """

    at_s: float
    environ: dict[str, str]
    body: bytes


class ChangeClock:
    """A clock that stands still while a thread makes a change, which thus has a single time.

    Args:
        clock: The source of time outside changes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held = threading.local()

    def now(self) -> float:
        """Return the time of day in epoch seconds."""
        at_s: float | None = getattr(self._held, "at_s", None)
        return self._clock.now() if at_s is None else at_s

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._clock.monotonic()

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Wait on ``stop`` for at most ``timeout_s`` seconds."""
        return self._clock.wait(stop, timeout_s)

    @contextmanager
    def held(self, at_s: float) -> Iterator[None]:
        """Hold the time at ``at_s`` in this thread."""
        self._held.at_s = at_s
        try:
            yield
        finally:
            self._held.at_s = None


class Journal:
    """A file of changes, each recorded completely or not at all.

    Once ``append`` has returned, a change survives the end of the process, even by SIGKILL.
    It may not survive a crash of the machine, because the file is not synced to disk.

    Args:
        path: The file, created if missing; its folder must exist.

    Raises:
        LocalStoreError: The file can't be opened, or another process uses it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: BinaryIO = path.open("ab", buffering=0)
        except OSError as error:
            raise LocalStoreError(
                f"The local AWS can't keep its journal in {path} ({error.strerror}); "
                "choose another file with --journal."
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise LocalStoreError(
                f"Another local AWS keeps its journal in {path}; stop it, or choose another "
                "file with --journal."
            ) from error

    def append(self, change: Change) -> None:
        """Add a change at the end."""
        content = msgspec.msgpack.encode(change)
        self._file.write(_LENGTH.pack(len(content)) + content)

    def read(self) -> Iterator[Change]:
        """Yield all changes, then remove an incomplete one from the end.

        Raises:
            LocalStoreError: The file is not a journal.
        """
        whole = 0
        with self._path.open("rb") as file:
            while len(head := file.read(_LENGTH.size)) == _LENGTH.size:
                (length,) = _LENGTH.unpack(head)
                if len(content := file.read(length)) < length:
                    break
                try:
                    yield msgspec.msgpack.decode(content, type=Change)
                except msgspec.DecodeError as error:
                    raise LocalStoreError(
                        f"{self._path} is not a journal of a local AWS (at byte {whole}: {error}); "
                        "remove it to start with nothing stored."
                    ) from error
                whole = file.tell()
        self._file.truncate(whole)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Changes:
    """Makes changes one after another, in the order of the journal.

    Args:
        clock: Stands still during each change.
        journal: Records the changes; None keeps the state in memory only.
    """

    def __init__(self, clock: ChangeClock, journal: Journal | None = None) -> None:
        self._clock = clock
        self._journal = journal
        self._lock = threading.Lock()
        self._repeating = False

    @contextmanager
    def change(self, environ: dict[str, Any]) -> Iterator[None]:
        """Make one change, recorded unless it raises.

        Args:
            environ: The WSGI environment of the request, with its body in memory.
        """
        if self._repeating:
            yield
            return
        with self._lock, self._clock.held(at_s := self._clock.now()):
            yield
            if self._journal is not None:
                strings = {k: v for k, v in environ.items() if isinstance(v, str)}
                body: io.BytesIO = environ["wsgi.input"]
                self._journal.append(Change(at_s=at_s, environ=strings, body=body.getvalue()))

    def ordered(self, environ: dict[str, Any]) -> AbstractContextManager[None]:
        """Make a change that is atomic by itself, serialized only if a journal keeps the order."""
        return nullcontext() if self._journal is None else self.change(environ)

    def repeat(self, make: Callable[[dict[str, str], bytes], None]) -> int:
        """Replay every change of the journal and return their number.

        No other request may be served at the same time.

        Args:
            make: Handles a request, given the strings of its environment and its body.
        """
        if self._journal is None:
            return 0
        self._repeating = True
        count = 0
        for change in self._journal.read():
            with self._clock.held(change.at_s):
                make(change.environ, change.body)
            count += 1
        self._repeating = False
        return count
