import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from client_support.clients import Client
from client_support.scripted_api import Answer, ScriptedApi, row
from txfeatures.client import BadAnswerError, MissingPackageError, Row
from txfeatures.client.messages import ARROW

START, END = datetime(2026, 1, 2, 3, 0), "2026-01-02T03:05Z"
ROWS = [row(minute, fee_rate_p50_1min=None if minute else 2.5, own=minute) for minute in range(6)]

TYPES: dict[str, list[Any]] = {
    "pandas": ["Int64", "float64"],
    "polars": [pl.Int64(), pl.Float64()],
    "arrow": [pa.int64(), pa.float64()],
}
READ: dict[str, tuple[Callable[[Any, str], Any], Callable[[Any], list[Any]]]] = {
    "pandas": (lambda f, n: str(f.dtypes[n]), lambda c: list(c.tolist())),
    "polars": (lambda f, n: f.schema[n], lambda c: list(c.to_list())),
    "arrow": (lambda f, n: f.schema.field(n).type, lambda c: list(c.to_pylist())),
}


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def arrow(rows: list[dict[str, Any]], link: str = "") -> Answer:
    table = pa.Table.from_pylist(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    headers = {"Content-Type": ARROW} | ({"Link": link} if link else {})
    return 200, headers, sink.getvalue().to_pybytes()


def test_rows_are_read_page_by_page_and_the_end_is_left_out(
    api: ScriptedApi, client: Client
) -> None:
    api.publish(*ROWS)
    api.page = 2
    assert client.call("rows", START, END) == [Row.of(values) for values in ROWS[:5]]
    assert [query.get("cursor") for _, query, _ in api.requests] == [
        None,
        "2026-01-02T03:02:00Z~2026-01-02T03:04:00Z",
        "2026-01-02T03:04:00Z~2026-01-02T03:04:00Z",
    ]
    assert api.requests[0][1]["to"] == "2026-01-02T03:04:00Z"


def test_without_an_end_all_that_there_is_is_read(api: ScriptedApi, client: Client) -> None:
    api.publish(*ROWS)
    assert len(client.call("rows", START)) == 6
    assert "to" not in api.requests[0][1]


def test_an_older_api_is_read_by_the_start_of_each_page(api: ScriptedApi, client: Client) -> None:
    api.has_v1 = False
    api.page = 4
    api.publish(*ROWS)
    assert len(client.call("rows", START)) == 6
    assert api.paths == ["/v1/features", "/features", "/v1/features", "/features"]
    assert api.requests[3][1]["from"] == "2026-01-02T03:04:00Z"


@pytest.mark.parametrize("wire", ["arrow", "json"])
@pytest.mark.parametrize("frame", ["pandas", "polars", "arrow"])
def test_a_frame_has_the_declared_types_whatever_the_wire(
    api: ScriptedApi, client: Client, frame: str, wire: str
) -> None:
    link = '</v1/features?from=x&cursor=c%202>; rel="next"'
    if wire == "arrow":
        api.script += [arrow(ROWS[:2], link), arrow(ROWS[2:])]
    else:
        api.publish(*ROWS)
    found = client.call("history", START, frame=frame)
    assert "arrow" in api.requests[0][2]["accept"]
    if wire == "arrow":
        assert api.requests[1][1]["cursor"] == "c 2"
    columns = found.column_names if frame == "arrow" else list(found.columns)
    assert set(columns) == set(ROWS[0])
    assert columns[0] == "tx_minute"
    assert columns[-1] == "own"
    types, values = READ[frame]
    assert [types(found, n) for n in ("total_fee_1min", "avg_fee_1min")] == TYPES[frame]
    assert values(found["total_fee_1min"]) == [each["total_fee_1min"] for each in ROWS]


@pytest.mark.parametrize("wire", ["arrow", "json"])
def test_an_integer_that_may_be_missing_stays_one_in_pandas(
    api: ScriptedApi, client: Client, wire: str
) -> None:
    rows = [row(0, min_fee_1min=2**62 + 1), row(1, min_fee_1min=None)]
    api.script.append(arrow(rows)) if wire == "arrow" else api.publish(*rows)
    found = client.call("history", START)
    assert str(found.dtypes["min_fee_1min"]) == "Int64"
    assert found["min_fee_1min"][0] == 2**62 + 1
    assert found["min_fee_1min"][1] is pd.NA


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_without_pyarrow_json_is_asked_for(
    api: ScriptedApi, client: Client, monkeypatch: pytest.MonkeyPatch, frame: str
) -> None:
    api.publish(*ROWS)
    monkeypatch.setattr("txfeatures.client.frames.find_spec", lambda _: None)
    assert len(client.call("history", START, frame=frame)) == 6
    assert api.requests[0][2]["accept"] == "application/json"


def test_only_some_columns_can_be_asked_for(api: ScriptedApi, client: Client) -> None:
    api.publish(*ROWS)
    found = client.call("history", START, fields=["total_fee_1min", "tx_minute"])
    assert list(found.columns) == ["tx_minute", "total_fee_1min"]
    assert api.requests[0][1]["fields"] == "total_fee_1min,tx_minute"


@pytest.mark.parametrize("frame", ["pandas", "polars", "arrow"])
def test_a_range_without_rows_has_the_columns(api: ScriptedApi, client: Client, frame: str) -> None:
    found = client.call("history", START, frame=frame)
    assert len(found) == 0
    assert "total_nb_trx_1min" in (found.column_names if frame == "arrow" else found.columns)


@pytest.mark.parametrize(
    ("frame", "module"), [("pandas", "pandas"), ("polars", "polars"), ("arrow", "pyarrow")]
)
def test_a_missing_package_is_named_with_its_extra(
    api: ScriptedApi, client: Client, monkeypatch: pytest.MonkeyPatch, frame: str, module: str
) -> None:
    without(monkeypatch, module)
    with pytest.raises(MissingPackageError, match=rf"'txfeatures-client\[{frame}\]'"):
        client.call("history", START, frame=frame)
    assert api.requests == []


def test_another_frame_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="frame is one of pandas, polars, arrow, not 'spark'"):
        client.call("history", START, frame="spark")


def test_an_end_before_the_start_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="end must be a minute or more after start"):
        client.call("rows", START, START)
    with pytest.raises(ValueError, match="Invalid isoformat"):
        client.call("rows", "yesterday")


def test_pages_that_repeat_end(api: ScriptedApi, client: Client) -> None:
    body = b'{"rows": [], "next": "again"}'
    api.script += [(200, {"Content-Type": "application/json"}, body)] * 3
    with pytest.raises(BadAnswerError, match="repeats the page 'again'"):
        client.call("rows", START)


@pytest.mark.parametrize(
    ("kind", "body"), [(ARROW, b"no stream"), ("application/json", b'{"rows": 1}')]
)
def test_a_broken_page_is_one_sentence(
    api: ScriptedApi, client: Client, kind: str, body: bytes
) -> None:
    api.script.append((200, {"Content-Type": kind}, body))
    with pytest.raises(BadAnswerError):
        client.call("history", START)


def test_moments_of_any_zone_are_minutes_of_utc(api: ScriptedApi, client: Client) -> None:
    client.call("rows", datetime(2026, 1, 2, 3, 0, 30, tzinfo=UTC), "2026-01-02T05:00:00+01:00")
    assert api.requests[0][1] == {
        "from": "2026-01-02T03:00:00Z",
        "to": "2026-01-02T03:59:00Z",
        "limit": "1000",
    }
