import pytest
from hypothesis import given
from hypothesis import strategies as st

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features.minutes import minute_name, minute_start_s

minutes_s = st.integers(0, 4_000_000_000 // 60).map(lambda minute: minute * 60)


@given(minute_s=minutes_s)
def test_a_minutes_name_is_read_back(minute_s: int) -> None:
    assert minute_start_s(minute_name(minute_s)) == minute_s


@pytest.mark.parametrize(
    "name",
    [
        "2024-10-19 10:49",
        "2024-10-19",
        "2024-10-19T10:49:00",
        "2024-10-19T10:49:00Z",
        "2024-10-19 10:49:00+00:00",
        "2024-10-19 10:49:00.500",
        "2024-W42-6 10:49:00",
        "2024-13-19 10:49:00",
        "2024-10-19 10:49:01",
        "2024-10-19 1:49:00",
        "0999-10-19 10:49:00",
        "٢٠٢٤-10-19 10:49:00",
        "",
    ],
)
def test_what_is_not_a_minute_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(InvalidMessageError, match="the start of a minute") as caught:
        minute_start_s(name)
    assert caught.value.reason == "bad_minute"
    assert repr(name) in caught.value.detail
