import pytest

from featurestore_local.errors import AwsError
from featurestore_local.values import FeatureType, check_value, event_time_ns, iso_time


@pytest.mark.parametrize("text", ["0", "-1", "007", str(2**63 - 1), str(-(2**63))])
def test_whole_numbers_of_64_bits_are_integral(text: str) -> None:
    check_value("f", FeatureType.INTEGRAL, text)


@pytest.mark.parametrize("text", ["", "1.0", "1e3", " 1", "1_0", "٣", str(2**63), "9" * 4000])
def test_other_texts_are_not_integral(text: str) -> None:
    with pytest.raises(AwsError, match="Integral"):
        check_value("f", FeatureType.INTEGRAL, text)


@pytest.mark.parametrize("text", ["0", "-1.5", ".5", "5.", "1e-7", "1E+300"])
def test_finite_doubles_are_fractional(text: str) -> None:
    check_value("f", FeatureType.FRACTIONAL, text)


@pytest.mark.parametrize(
    "text", ["", "nan", "NaN", "inf", "-Infinity", "1e999", "1_0", " 1", "0x1"]
)
def test_other_texts_are_not_fractional(text: str) -> None:
    with pytest.raises(AwsError, match="Fractional"):
        check_value("f", FeatureType.FRACTIONAL, text)


def test_any_text_is_a_string() -> None:
    check_value("f", FeatureType.STRING, "")


@pytest.mark.parametrize(
    ("feature_type", "text", "expected_ns"),
    [
        (FeatureType.FRACTIONAL, "1700000000", 1_700_000_000_000_000_000),
        (FeatureType.FRACTIONAL, "1700000000.5", 1_700_000_000_500_000_000),
        (FeatureType.FRACTIONAL, "-1.5", -1_500_000_000),
        (FeatureType.STRING, "2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
        (FeatureType.STRING, "2023-11-14T22:13:20.250Z", 1_700_000_000_250_000_000),
        (FeatureType.STRING, "2023-11-14T22:13:20.000000001Z", 1_700_000_000_000_000_001),
    ],
)
def test_event_times_mean_an_instant(
    feature_type: FeatureType, text: str, expected_ns: int
) -> None:
    assert event_time_ns("t", feature_type, text) == expected_ns


def test_neighbouring_doubles_stay_different_instants() -> None:
    texts = ("1700000000.0000002", "1700000000.0000005")
    first, second = (event_time_ns("t", FeatureType.FRACTIONAL, text) for text in texts)
    assert first < second


@pytest.mark.parametrize(
    ("feature_type", "text"),
    [
        (FeatureType.FRACTIONAL, "1700000000000"),
        (FeatureType.FRACTIONAL, "2023-11-14T22:13:20Z"),
        (FeatureType.STRING, "1700000000"),
        (FeatureType.STRING, "2023-11-14T22:13:20"),
        (FeatureType.STRING, "2023-11-14T22:13:20+00:00"),
        (FeatureType.STRING, "2023-11-14 22:13:20Z"),
        (FeatureType.STRING, "2023-11-14T22:13:20.12Z"),
        (FeatureType.STRING, "2023-02-30T00:00:00Z"),
    ],
)
def test_other_texts_are_no_event_times(feature_type: FeatureType, text: str) -> None:
    with pytest.raises(AwsError, match="event time"):
        event_time_ns("t", feature_type, text)


def test_instants_are_written_in_iso_form_to_the_second() -> None:
    assert iso_time(1_700_000_000_999_999_999) == "2023-11-14T22:13:20Z"
