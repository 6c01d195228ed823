from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.declared import EMPTY, FEATURES, row
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import INTEGRAL_MAX
from txfeatures.domain.model import Row
from txfeatures.feature_store.codec import (
    REQUIRED,
    TableFormat,
    from_record,
    to_partial_row,
    to_record,
    to_row,
    to_values,
)

MINUTE_S = 1_729_334_940  # 2024-10-19 10:49:00


def a_row(event_time_ms: int = MINUTE_S * 1000 + 61_025) -> Row:
    return row(
        EMPTY, minute_s=MINUTE_S, event_time_ms=event_time_ms, revision=7, is_final=True, gaps=0
    )


VALUES = to_values(a_row())


@pytest.mark.parametrize("table_format", ["glue", "iceberg"])
@given(event_ms=st.integers(0, 253_402_300_799_999))
def test_a_row_reads_back_as_it_was_written_in_either_format(
    table_format: TableFormat, event_ms: int
) -> None:
    written = a_row(event_ms)
    record = to_record(to_values(written, table_format))
    assert to_row(from_record(record), features=FEATURES) == written


@given(integer=st.integers(0, INTEGRAL_MAX), real=st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_reads_back_as_the_same_number(integer: int, real: float) -> None:
    found = to_row(
        VALUES | to_values({"total_fee_1min": integer, "avg_fee_1min": real}), features=FEATURES
    )
    assert (found["total_fee_1min"], found["avg_fee_1min"]) == (integer, real)


@pytest.mark.parametrize("text", ["2024-10-19T10:49:02Z", "2024-10-19T10:49:02.000000000Z"])
def test_an_event_time_as_text_is_read_to_the_second_and_to_the_nanosecond(text: str) -> None:
    assert to_row(VALUES | {"event_time": text}, features=FEATURES)["event_time"] == MINUTE_S + 2.0


def test_an_iceberg_group_gets_its_event_time_as_text() -> None:
    assert to_values(a_row(90_250), "iceberg")["event_time"] == "1970-01-01T00:01:30.250Z"


def test_a_record_may_lack_a_younger_feature_and_have_one_nobody_declares() -> None:
    values = VALUES | {"fashion": "1"}
    del values["total_fee_1min"]
    found = to_row(values, features=FEATURES)
    assert set(found) == {feature.name for feature in FEATURES} - {"total_fee_1min"}
    assert set(to_partial_row(values, features=FEATURES)) == set(found)


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_record_without_a_required_feature_is_refused(name: str) -> None:
    values = {key: text for key, text in VALUES.items() if key != name}
    with pytest.raises(InvalidMessageError) as error:
        to_row(values, features=FEATURES)
    assert error.value.reason == f"missing_{name}"
    assert name not in to_partial_row(values, features=FEATURES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tx_minute", "2024-10-19T10:49:00Z"),
        ("total_fee_1min", "1.0"),
        ("total_fee_1min", ""),
        ("total_fee_1min", "1_000"),
        ("total_fee_1min", str(INTEGRAL_MAX + 1)),
        ("total_fee_1min", "9" * 10_000),
        ("avg_fee_1min", "NaN"),
        ("avg_fee_1min", "inf"),
        ("avg_fee_1min", "2024-10-19T10:49:00Z"),
        ("event_time", "2024-10-19T10:49:00"),
        ("event_time", "2024-10-19 10:49:00Z"),
        ("event_time", "2024-13-19T10:49:00Z"),
        ("event_time", "nonsense"),
    ],
)
def test_a_value_of_another_type_is_refused_but_kept_for_comparisons(name: str, text: str) -> None:
    with pytest.raises(InvalidMessageError) as error:
        to_row(VALUES | {name: text}, features=FEATURES)
    assert error.value.reason == f"bad_{name}"
    assert to_partial_row(VALUES | {name: text}, features=FEATURES)[name] == text


def test_a_collection_has_no_value() -> None:
    record: Any = [{"FeatureName": "many", "ValueAsStringList": ["1"]}]
    assert from_record(record) == {}
