import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import declared
from tests.support.declared import FEATURES
from txfeatures.domain.errors import FatalError
from txfeatures.domain.model import Row
from txfeatures.feature_store.codec import TableFormat, to_record, to_values
from txfeatures_local.demo.export import read_rows, write_rows

MINUTE_S = 1_729_334_940


def a_row(minute_s: int, *, is_final: bool = True) -> Row:
    return declared.row(
        declared.EMPTY,
        minute_s=minute_s,
        event_time_ms=minute_s * 1000 + 63,
        revision=2,
        is_final=is_final,
        gaps=0,
    )


class Store:
    """BatchGetRecord over a list of rows."""

    def __init__(self, *rows: Row, table_format: TableFormat = "glue") -> None:
        self._format = table_format
        self._rows = {str(row["tx_minute"]): row for row in rows}

    def batch_get_record(self, Identifiers: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        names = Identifiers[0]["RecordIdentifiersValueAsString"]
        return {
            "Errors": [],
            "UnprocessedIdentifiers": [],
            "Records": [
                {
                    "RecordIdentifierValueAsString": name,
                    "Record": to_record(to_values(self._rows[name], self._format)),
                }
                for name in reversed(names)
                if name in self._rows
            ],
        }


def rows_of(store: Store, first_s: float, last_s: float) -> list[Row]:
    return list(read_rows(store, "g", first_s=first_s, last_s=last_s, features=FEATURES))  # type: ignore[arg-type]


@pytest.mark.parametrize("table_format", ["glue", "iceberg"])
def test_rows_come_back_typed_and_in_order_and_minutes_without_one_are_left_out(
    table_format: TableFormat,
) -> None:
    first, second = a_row(MINUTE_S), a_row(MINUTE_S + 120)
    store = Store(second, first, table_format=table_format)
    assert rows_of(store, MINUTE_S + 0.5, MINUTE_S + 179) == [first, second]


def test_a_row_that_is_not_final_is_an_error() -> None:
    with pytest.raises(FatalError, match="is not final"):
        rows_of(Store(a_row(MINUTE_S, is_final=False)), MINUTE_S, MINUTE_S)


def test_the_export_has_one_json_object_a_line_with_feature_names_as_keys(tmp_path: Path) -> None:
    row = a_row(MINUTE_S)
    assert write_rows(tmp_path / "rows.ndjson", iter([row, row])) == 2
    lines = (tmp_path / "rows.ndjson").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [dict(row)] * 2
