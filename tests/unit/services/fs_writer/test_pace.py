from hypothesis import given
from hypothesis import strategies as st

from txfeatures_fs_writer.pace import Pace


def test_each_refusal_halves_the_calls_down_to_one() -> None:
    pace = Pace(8)
    limits = []
    for _ in range(5):
        limits.append(pace.limit)
        pace.refused()
    assert limits == [8, 4, 2, 1, 1]


def test_each_success_gives_one_more_call_up_to_the_most() -> None:
    pace = Pace(4)
    pace.refused()
    pace.refused()
    limits = []
    for _ in range(5):
        limits.append(pace.limit)
        pace.went_well()
    assert limits == [1, 2, 3, 4, 4]


@given(st.integers(1, 64), st.lists(st.booleans()))
def test_the_limit_stays_between_one_and_the_most(most: int, answers: list[bool]) -> None:
    pace = Pace(most)
    for is_refused in answers:
        pace.refused() if is_refused else pace.went_well()
        assert 1 <= pace.limit <= most
