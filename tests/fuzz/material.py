"""Examples made of real ones: transactions, answers and records, in part damaged."""

import gzip
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.support.shared_data import RECORDING
from txfeatures.domain.model import Record
from txfeatures.domain.wire import TICK_HEADER

SEEDS = 100
SMALLEST = 8
"""Few and short ones, of which an example that fails can be read."""

READ = {b"hash", b"time", b"fee", b"tx_minute", b"event_time", b"revision", b"feed_time_ms"}
START_MS = 1_729_334_970_000
YEAR_10000_MS = 253_402_300_800_000

TOKENS: Sequence[bytes] = (
    b"NaN", b"Infinity", b"-0", b"1e999", b"1.5", b"-1", b"9" * 400, b"9" * 5000, b"%d" % 2**63,
    b"%d" % 2**64, b"null", b"true", b'""', b'"\\ud83d"', b'"\\ud83d\\ude00"', b'"\xff"',
    b'"\\u0000"', b"[]", b"{}", b'{"a":1,"a":2}', b"[" * 500 + b"]" * 500, b"[" * 3000,
    b'{"a":' * 3000, b'"' + b"x" * 20_000 + b'"', b"", b"0x10", b"1_000", b"\xef\xbb\xbf", b"//",
)  # fmt: skip
"""Values that are no values, or more than most readers take."""

_NUMBERS = [b"%d" % n for n in (-1, 0, 1, 59, 1_729_334_940, 253_402_300_800, 2**62)]
VALUES = (*TOKENS, *3 * _NUMBERS, b'"x"')
"""Values of members: as often a number of the wrong size as no number at all."""

Members = Sequence[tuple[bytes, bytes]]

PUNCTUATION: Sequence[bytes] = tuple(bytes([c]) for c in b'{}[]",:\\ \n\x00\xff-0')


@cache
def transactions() -> Sequence[Mapping[str, Any]]:
    """Return real transactions."""
    with gzip.open(RECORDING, "rt", encoding="utf-8") as lines:
        found = [json.loads(line)["tx"] for line, _ in zip(lines, range(SEEDS), strict=False)]
    return sorted(found, key=lambda transaction: len(compact(transaction)))[:SMALLEST]


def compact(value: object) -> bytes:
    """Return the JSON of ``value`` without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def an_object(members: Members) -> bytes:
    """Return the text of an object; names may be doubled and values may be none."""
    return b"{" + b",".join(b'"%b":%b' % member for member in members) + b"}"


@st.composite
def changed(draw: st.DrawFn, originals: Sequence[Members]) -> bytes:
    """Return an original with some members replaced, doubled, renamed or gone.

    Those that are read at all, `READ`, are changed as often as all others.
    """
    members = list(draw(st.sampled_from(originals)))
    replacements = st.sampled_from(VALUES)
    for _ in range(draw(st.integers(0, 3))):
        if not members:
            break
        places = [place for place, (name, _) in enumerate(members) if name in READ]
        if not places or draw(st.booleans()):
            places = list(range(len(members)))
        place = draw(st.sampled_from(places))
        name, value = members[place]
        match draw(st.sampled_from(["value", "value", "value", "gone", "double", "name"])):
            case "value":
                members[place] = (name, draw(replacements))
            case "gone":
                del members[place]
            case "double":
                members.insert(draw(st.integers(0, len(members))), (name, draw(replacements)))
            case "name":
                members[place] = (draw(st.sampled_from([b"x", b"\\u0066ee", b"\xff"])), value)
    return an_object(members)


@st.composite
def damaged(draw: st.DrawFn, originals: st.SearchStrategy[bytes]) -> bytes:
    """Return an original in which bytes are cut out, put in, exchanged or missing at the end."""
    text = bytearray(draw(originals))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["put", "cut", "exchange", "end", "repeat"])):
            case "put":
                text[at:at] = draw(st.sampled_from([*TOKENS, *PUNCTUATION]))
            case "cut":
                del text[at : at + draw(st.integers(1, 40))]
            case "exchange":
                text[at : at + 1] = draw(st.sampled_from(PUNCTUATION))
            case "end":
                del text[at:]
            case "repeat":
                text[at:at] = text[at : at + draw(st.integers(1, 200))]
    return bytes(text)


def json_of(originals: Sequence[Mapping[str, Any]]) -> st.SearchStrategy[bytes]:
    """Return texts like those of ``originals``: as they are, changed, damaged, or no JSON."""
    members = [
        tuple((name.encode(), compact(value)) for name, value in original.items())
        for original in originals
    ]
    sound = st.sampled_from([an_object(each) for each in members])
    return st.one_of(
        sound,
        changed(members),
        changed(members),
        damaged(sound),
        st.sampled_from(TOKENS),
        st.binary(max_size=40),
    )


def transaction_texts() -> st.SearchStrategy[bytes]:
    """Return transactions as a source may send them."""
    return json_of(transactions())


TIMESTAMPS_MS = st.one_of(
    st.integers(START_MS - 200_000, START_MS + 200_000),
    st.integers(START_MS - 200_000, START_MS + 200_000),
    st.sampled_from([0, 1, YEAR_10000_MS - 1, YEAR_10000_MS, 2**63 - 1, 2**63 - 2**40]),
    st.integers(0, 2**63 - 1),
)

_NAMES = st.sampled_from(
    [TICK_HEADER, "txf-reason", "txf-replayed", "txf-replayed", "traceparent", "", "\u00e9"]
)
_CONTENTS = st.one_of(
    st.sampled_from([b"", b"1", b"\xff", b"9" * 5000, b"x" * 20_000]), st.binary(max_size=20)
)
HEADERS = st.lists(st.tuples(_NAMES, _CONTENTS), max_size=3).map(tuple)
HEADERS_OR_NONE = st.lists(st.tuples(_NAMES, st.none() | _CONTENTS), max_size=3).map(tuple)
"""In dedup and the aggregator a header without a value is None, as Kafka's client gives it."""


def keys() -> st.SearchStrategy[bytes | None]:
    """Return keys: hashes, what looks like one, and others."""
    hashes = st.sampled_from([transaction["hash"].encode() for transaction in transactions()])
    return st.one_of(
        hashes,
        hashes,
        hashes.map(bytes.upper),
        hashes.map(lambda key: key[:-1]),
        st.none(),
        st.sampled_from([b"", b"\xff" * 64, b"x" * 20_000, "\u0661".encode() * 32]),
        st.binary(max_size=70),
    )


@st.composite
def logs(
    draw: st.DrawFn,
    topic: str,
    values: st.SearchStrategy[bytes],
    *,
    headers: st.SearchStrategy[Any] = HEADERS,
    max_size: int = 8,
) -> list[Record]:
    """Return consecutive records of a partition, ticks among them."""
    rows = st.tuples(
        keys(),
        st.one_of(values, values, values, st.none()),
        TIMESTAMPS_MS,
        st.one_of(st.just(()), st.just(()), headers),
        st.integers(0, 4),
    )
    records = []
    for offset, (key, value, timestamp_ms, found, kind) in enumerate(
        draw(st.lists(rows, min_size=1, max_size=max_size)), draw(st.sampled_from([0, 2**40]))
    ):
        is_tick = kind == 0
        records.append(
            Record(
                topic=topic,
                partition=1,
                offset=offset,
                key=None if is_tick else key,
                value=b"" if is_tick else value,
                timestamp_ms=timestamp_ms,
                headers=((TICK_HEADER, b"1"),) if is_tick else found,
            )
        )
    return records
