"""Server-sent events, parsed from bytes that may be cut anywhere [no input or output].

After the event stream format of the WHATWG's HTML standard. An event counts once its empty line
has arrived; one that a broken connection cut off is forgotten with the parser.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from txfeatures.client.errors import BadAnswerError

MAX_BUFFER_BYTES = 4 * 1024 * 1024
"""A row takes about 1 KB; a server that never ends a line must not fill the memory."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event; ``name`` is ``message`` if the server gave none."""

    name: str
    data: str


class EventParser:
    """The parser of one connection.

    Attributes:
        retry_s: Seconds before a reconnect, as last sent by the server.
    """

    def __init__(self) -> None:
        self.retry_s: float | None = None
        self._buffer = b""
        self._is_first = True
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that ``chunk`` completes.

        Raises:
            BadAnswerError: A line or an event is larger than any row.
        """
        self._buffer += chunk
        for line in self._lines():
            event = self._take(line.decode("utf-8", errors="replace"))
            if event is not None:
                yield event
        if len(self._buffer) + self._size > MAX_BUFFER_BYTES:
            raise BadAnswerError(
                f"An event is larger than {MAX_BUFFER_BYTES:,} bytes; "
                "check that the address is that of the api."
            )

    def _lines(self) -> Iterator[bytes]:
        """Yield the complete lines; a last CR waits for the LF that may follow it."""
        if self._is_first and len(self._buffer) >= len(_BOM):
            self._buffer, self._is_first = self._buffer.removeprefix(_BOM), False
        held = b"\r" if self._buffer.endswith(b"\r") else b""
        text = self._buffer.removesuffix(held) if held else self._buffer
        *lines, rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._buffer = rest + held
        yield from lines

    def _take(self, line: str) -> Event | None:
        if not line:
            event = Event(name=self._name or "message", data="\n".join(self._data))
            is_empty = not self._data
            self._name, self._data, self._size = "", [], 0
            return None if is_empty else event
        field, _, value = line.partition(":")  # a comment has an empty name
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
                self._size += len(value)
            case "retry" if value.isascii() and value.isdecimal():
                self.retry_s = int(value) / 1000
        return None
