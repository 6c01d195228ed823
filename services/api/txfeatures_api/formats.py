"""Rows as JSON, CSV, Parquet or Arrow, whichever the client prefers."""

import csv
import io
from collections.abc import Sequence

from txfeatures.domain.features import Feature
from txfeatures.domain.model import Row

JSON = "application/json"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
FORMATS = (JSON, CSV, PARQUET, ARROW)
NOT_ACCEPTABLE = f"None of the formats in Accept is served here; send one of {', '.join(FORMATS)}."


def choose(accept: str) -> str | None:
    """Return the format that the header Accept prefers (RFC 9110, 12.5.1); None if it has none.

    >>> choose("text/csv;q=0.5, application/vnd.apache.parquet")
    'application/vnd.apache.parquet'
    """
    if not accept.strip():
        return JSON
    ranges: dict[str, float] = {}
    for item in accept.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        ranges[media] = next(map(_quality, (p for p in parameters if p.startswith("q="))), 1.0)
    qualities = {name: _of(name, ranges) for name in FORMATS}
    best = max(FORMATS, key=lambda name: qualities[name])
    return best if qualities[best] > 0 else None


def _of(name: str, ranges: dict[str, float]) -> float:
    kind = name.partition("/")[0]
    return next((ranges[each] for each in (name, f"{kind}/*", "*/*") if each in ranges), 0.0)


def _quality(parameter: str) -> float:
    try:
        return float(parameter.removeprefix("q="))
    except ValueError:
        return 0.0


def encode(media_type: str, rows: Sequence[Row], features: Sequence[Feature]) -> bytes:
    """Return rows in a format other than JSON; a feature that a row lacks is empty or null."""
    return _csv(rows, features) if media_type == CSV else _columnar(media_type, rows, features)


def _csv(rows: Sequence[Row], features: Sequence[Feature]) -> bytes:
    fields = [feature.name for feature in features]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180
    writer.writerow(fields)
    writer.writerows([row.get(name) for name in fields] for row in rows)
    return text.getvalue().encode()


def _columnar(media_type: str, rows: Sequence[Row], features: Sequence[Feature]) -> bytes:
    # Imported when it is needed: it takes 170 MB.
    import pyarrow
    from pyarrow import ipc, parquet

    types = {"Integral": pyarrow.int64(), "Fractional": pyarrow.float64()}
    schema = pyarrow.schema([(f.name, types.get(f.type, pyarrow.string())) for f in features])
    columns = {f.name: [row.get(f.name) for row in rows] for f in features}
    table = pyarrow.Table.from_pydict(columns, schema=schema)
    sink = pyarrow.BufferOutputStream()
    if media_type == PARQUET:
        parquet.write_table(table, sink)
    else:
        with ipc.new_stream(sink, schema) as writer:
            writer.write_table(table)
    return bytes(sink.getvalue())
