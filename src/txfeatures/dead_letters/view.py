"""Dead letters as text [pure].

Their bytes come from strangers: nothing that a terminal would obey is printed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from txfeatures.dead_letters.letter import Letter
from txfeatures.domain.model import Record

SHOWN_CHARACTERS = 48
BYTES_PER_LINE = 16
HEADINGS = ("time", "topic", "partition", "offset", "from", "reason", "bytes", "state", "beginning")


class Summary:
    """Counts of dead letters by topic and reason."""

    def __init__(self) -> None:
        self.waiting: Counter[tuple[str, str]] = Counter()
        self.replayed: Counter[tuple[str, str]] = Counter()

    def count(self, letters: Iterable[Letter]) -> Iterable[Letter]:
        """Yield ``letters``, counted."""
        for letter in letters:
            counter = self.replayed if letter.is_replayed else self.waiting
            counter[letter.record.topic, letter.reason] += 1
            yield letter

    @property
    def total(self) -> int:
        """All that were counted."""
        return self.waiting.total() + self.replayed.total()

    def lines(self) -> list[str]:
        """Return a table, the most frequent first."""
        both = self.waiting + self.replayed
        rows = [
            (topic, printable(reason), f"{self.waiting[topic, reason]:,}",
             f"{self.replayed[topic, reason]:,}")
            for (topic, reason), _ in both.most_common()
        ]  # fmt: skip
        return table(("topic", "reason", "waiting", "replayed"), rows)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return aligned lines."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]


def row(letter: Letter) -> tuple[str, ...]:
    """Return the cells of ``letter`` under `HEADINGS`."""
    record = letter.record
    return (
        moment(record.timestamp_ms),
        record.topic,
        str(record.partition),
        str(record.offset),
        printable(letter.origin),
        printable(letter.reason),
        f"{len(record.value or b''):,}",
        _state(letter),
        beginning(record.value),
    )


def as_json(letter: Letter) -> str:
    """Return one line of JSON."""
    record = letter.record
    cells = dict(zip(HEADINGS, row(letter), strict=True)) | {
        "partition": record.partition,
        "offset": record.offset,
        "bytes": len(record.value or b""),
        "message": letter.message,
    }
    return msgspec.json.encode(cells).decode()


def details(letter: Letter) -> list[str]:
    """Return everything that ``letter`` holds, as lines."""
    record = letter.record
    head = [
        ("time", moment(record.timestamp_ms)),
        ("state", _state(letter)),
        ("key", "none" if record.key is None else beginning(record.key, limit=len(record.key))),
        *((name, printable(value.decode(errors="replace"))) for name, value in record.headers),
    ]
    width = max(len(name) for name, _ in head)
    lines = [f"{printable(name):{width}}  {text}" for name, text in head]
    return [*lines, "", *_value(record)]


def moment(timestamp_ms: int) -> str:
    """Return the UTC time; the number itself if no calendar has it."""
    try:
        return f"{datetime.fromtimestamp(timestamp_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return f"{timestamp_ms} ms"


def printable(text: str, *, besides: str = "") -> str:
    """Return ``text`` with a dot for each character that would move a terminal's cursor."""
    return "".join(c if c.isprintable() or c in besides else "·" for c in text)


def beginning(value: bytes | None, *, limit: int = SHOWN_CHARACTERS) -> str:
    """Return the first characters of ``value`` on one line."""
    return printable((value or b"")[: 4 * limit].decode(errors="replace")[:limit])


def _state(letter: Letter) -> str:
    return "replayed" if letter.is_replayed else "waiting"


def _value(record: Record) -> list[str]:
    if not record.value:
        return ["no value"]
    try:
        return printable(record.value.decode(), besides="\n\t").split("\n")
    except UnicodeDecodeError:
        return hex_dump(record.value)


def hex_dump(value: bytes) -> list[str]:
    """Return 16 bytes a line: position, hexadecimal, ASCII."""
    lines = []
    for start in range(0, len(value), BYTES_PER_LINE):
        part = value[start : start + BYTES_PER_LINE]
        ascii_ = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:08x}  {part.hex(' '):{3 * BYTES_PER_LINE - 1}}  {ascii_}")
    return lines
