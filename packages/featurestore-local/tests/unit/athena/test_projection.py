import pytest

from featurestore_local.athena.errors import QueryError
from featurestore_local.athena.projection import Projection, is_projected

NOW_S = 1_700_049_600.0  # 2023-11-15 12:00
DAY = {
    "projection.day.type": "date",
    "projection.day.format": "yyyy-MM-dd",
    "projection.day.range": "NOW-2DAYS,NOW",
}


def values_of(uri: str, keys: list[str], **properties: str) -> tuple[str, ...] | None:
    projection = Projection("s3://b/t/", keys, properties, now_s=NOW_S)
    return projection.values_of(f"s3://b/t/{uri}")


@pytest.mark.parametrize(
    ("day", "is_there"),
    [
        ("2023-11-15", True),
        ("2023-11-14", True),
        ("2023-11-13", False),
        ("2023-11-16", False),
        ("2023-1-1", False),
        ("x", False),
    ],
)
def test_dates_lie_within_their_range(day: str, is_there: bool) -> None:
    assert values_of(f"day={day}/x", ["day"], **DAY) == ((day,) if is_there else None)


@pytest.mark.parametrize(
    ("hour", "is_there"), [("07", True), ("7", False), ("24", False), ("x", False)]
)
def test_whole_numbers_have_their_digits(hour: str, is_there: bool) -> None:
    properties = {
        "projection.hour.type": "integer",
        "projection.hour.range": "0,23",
        "projection.hour.digits": "2",
    }
    assert values_of(f"hour={hour}/x", ["hour"], **properties) == ((hour,) if is_there else None)


def test_an_interval_leaves_numbers_out() -> None:
    properties = {
        "projection.n.type": "integer",
        "projection.n.range": "1,9",
        "projection.n.interval": "2",
    }
    assert values_of("n=3/x", ["n"], **properties) == ("3",)
    assert values_of("n=4/x", ["n"], **properties) is None


def test_an_enumeration_names_its_values() -> None:
    properties = {"projection.kind.type": "enum", "projection.kind.values": "a, b"}
    assert values_of("kind=b/x", ["kind"], **properties) == ("b",)
    assert values_of("kind=c/x", ["kind"], **properties) is None


def test_a_template_says_where_partitions_lie() -> None:
    properties = DAY | {"storage.location.template": "s3://b/t/by-day/${day}"}
    assert values_of("by-day/2023-11-15/deep/x", ["day"], **properties) == ("2023-11-15",)
    assert values_of("day=2023-11-15/x", ["day"], **properties) is None
    projection = Projection("s3://b/t/", ["day"], properties, now_s=NOW_S)
    assert projection.root == "s3://b/t/by-day/"


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ({}, "projection.day.type is missing"),
        (DAY | {"storage.location.template": "s3://b/t"}, "has no"),
        ({"projection.day.type": "date"}, "projection.day.range is missing"),
        ({"projection.day.type": "injected"}, "injected is not supported here"),
    ],
)
def test_what_is_missing_is_said(properties: dict[str, str], complaint: str) -> None:
    if properties.get("projection.day.type") == "date" and len(properties) == 1:
        properties = properties | {"projection.day.format": "yyyy"}
    with pytest.raises(QueryError, match=complaint):
        values_of("day=2023-11-15/x", ["day"], **properties)


def test_projection_must_be_enabled() -> None:
    assert is_projected({"projection.enabled": "TRUE"})
    assert not is_projected(DAY)
