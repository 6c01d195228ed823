"""Pages of rows as one list, or as one data frame of pandas, polars or Arrow.

The columns are the declared features in their order, then any others; the age of an answer, which
is no feature, is left out. Types follow from the declaration, so they don't change with the rows:
text is text, Fractional is float64, Integral is int64 (in pandas ``Int64`` if it can be null).
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from txfeatures.client.declared import REQUIRED, TYPES
from txfeatures.client.errors import BadAnswerError, MissingPackageError
from txfeatures.client.messages import ARROW, JSON, Response
from txfeatures.client.row import Row

Frame = Literal["pandas", "polars", "arrow"]

MODULES: Mapping[str, str] = {"pandas": "pandas", "polars": "polars", "arrow": "pyarrow"}
PANDAS_TYPES = {
    name: "float64" if kind is float else "int64" if name in REQUIRED else "Int64"
    for name, kind in TYPES.items()
    if kind is not str
}
NOT_FEATURES = frozenset({"staleness_s", "as_of"})


def check(frame: str) -> None:
    """Check that a data frame of this kind can be made.

    Raises:
        ValueError: There is no such kind.
        MissingPackageError: Its package is not installed.
    """
    if frame not in MODULES:
        raise ValueError(f"frame is one of {', '.join(MODULES)}, not {frame!r}")
    _module(frame)


def accepted() -> str:
    """Return the media types to ask for: Arrow where it can be read, else JSON."""
    return f"{ARROW}, {JSON};q=0.5" if find_spec("pyarrow") else JSON


def rows(pages: Sequence[Response]) -> list[Row]:
    """Return the rows of JSON pages."""
    return [Row.of(values) for values in _objects(pages)]


def frame_of(pages: Sequence[Response], frame: Frame, fields: Sequence[str] | None) -> Any:
    """Return the rows of all pages as one data frame; ``fields`` are its columns without a row."""
    if any(page.media_type == ARROW for page in pages):
        table = _arrow_table(pages)
        match frame:
            case "arrow":
                return table
            case "polars":
                return _module("polars").from_arrow(table)
            case "pandas":
                pandas = _module("pandas")
                integral = _module("arrow").int64()
                nullable = {integral: pandas.Int64Dtype()}
                typed = table.to_pandas(types_mapper=nullable.get)
                return typed.astype({n: t for n, t in PANDAS_TYPES.items() if n in typed.columns})
    columns = _columns(_objects(pages), fields)
    match frame:
        case "arrow":
            pa = _module("arrow")
            names = {int: pa.int64(), float: pa.float64(), str: pa.string()}
            return pa.table(
                {n: pa.array(v, names.get(TYPES.get(n, object))) for n, v in columns.items()}
            )
        case "polars":
            pl = _module("polars")
            names = {int: pl.Int64, float: pl.Float64, str: pl.String}
            schema = {n: names.get(TYPES.get(n, object)) for n in columns}
            return pl.DataFrame(columns, schema=schema, strict=False)
        case "pandas":
            pandas = _module("pandas")  # a frame typed afterwards would have lost digits
            series = {n: pandas.Series(v, dtype=PANDAS_TYPES.get(n)) for n, v in columns.items()}
            return pandas.DataFrame(series)


def _arrow_table(pages: Sequence[Response]) -> Any:
    pa, ipc = _module("arrow"), import_module("pyarrow.ipc")
    try:
        tables = [ipc.open_stream(page.body).read_all() for page in pages]
        table = pa.concat_tables(tables, promote_options="default")
    except (pa.ArrowException, TypeError) as error:
        raise BadAnswerError(
            "The answer is no Arrow stream; upgrade pyarrow, the client or the api."
        ) from error
    return table.select(_ordered(table.column_names))


def _columns(
    objects: Sequence[Mapping[str, Any]], fields: Sequence[str] | None
) -> dict[str, list[Any]]:
    names = {name: None for values in objects for name in values}
    if not objects:
        names = dict.fromkeys(TYPES if fields is None else fields)
    return {name: [values.get(name) for values in objects] for name in _ordered(list(names))}


def _ordered(names: Sequence[str]) -> list[str]:
    known = [name for name in TYPES if name in names]
    return known + [n for n in names if n not in TYPES and n not in NOT_FEATURES]


def _objects(pages: Sequence[Response]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for page in pages:
        body = page.json()
        if not isinstance(body, dict) or not isinstance(body.get("rows"), list):
            raise BadAnswerError("The answer has no rows; check that the address is the api's.")
        found += body["rows"]
    return found


def _module(frame: str) -> Any:
    try:
        return import_module(MODULES[frame])
    except ImportError as error:
        raise MissingPackageError(
            f"{MODULES[frame]} is not installed; run `pip install 'txfeatures-client[{frame}]'`, "
            "or ask for another frame."
        ) from error
