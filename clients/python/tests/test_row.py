from typing import Any

import pytest

from client_support.scripted_api import row
from txfeatures.client import BadAnswerError, Row
from txfeatures.client.declared import REQUIRED, TYPES
from txfeatures.client.position import Position


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_row_without_a_required_feature_is_refused(name: str) -> None:
    values = row(1)
    del values[name]
    with pytest.raises(BadAnswerError, match=f"A row has no {name}; upgrade"):
        Row.of(values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_fee_1min", 1.5),
        ("total_nb_trx_1min", None),
        ("total_fee_1min", True),
        ("total_fee_1min", "7"),
        ("avg_fee_1min", "7"),
        ("tx_minute", 7),
        ("min_fee_1min", []),
    ],
)
def test_a_feature_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadAnswerError, match=f"{name} is .*, not (int|float|str); upgrade"):
        Row.of(row(1, **{name: value}))


def test_a_whole_number_is_a_fraction_too() -> None:
    found = Row.of(row(1, avg_fee_1min=7))
    assert type(found.avg_fee_1min) is float


def test_every_declared_feature_is_an_attribute() -> None:
    found = Row.of(row(1))
    assert all(hasattr(found, name) for name in TYPES)


def test_rows_are_values() -> None:
    assert Row.of(row(1)) == Row.of(row(1))
    with pytest.raises(AttributeError):
        Row.of(row(1)).revision = 2  # type: ignore[misc]


def test_positions_are_ordered_by_minute_then_by_revision() -> None:
    texts = ["2026-01-02T03:04:00Z/9", "2026-01-02T03:04:00Z/10", "2026-01-02T03:05:00Z/1"]
    positions = [Position.parse(text) for text in texts]
    assert positions[0] < positions[1] < positions[2]
    assert [str(position) for position in positions] == texts
