from hypothesis import given
from hypothesis import strategies as st

from txfeatures_fs_writer.call_limit import CallLimit


def test_each_refusal_halves_the_calls_down_to_one() -> None:
    limit = CallLimit(8)
    limits = []
    for _ in range(5):
        limits.append(limit.calls)
        limit.decrease()
    assert limits == [8, 4, 2, 1, 1]


def test_each_success_gives_one_more_call_up_to_the_most() -> None:
    limit = CallLimit(4)
    limit.decrease()
    limit.decrease()
    limits = []
    for _ in range(5):
        limits.append(limit.calls)
        limit.increase()
    assert limits == [1, 2, 3, 4, 4]


@given(st.integers(1, 64), st.lists(st.booleans()))
def test_the_limit_stays_between_one_and_the_most(most: int, answers: list[bool]) -> None:
    limit = CallLimit(most)
    for is_refused in answers:
        limit.decrease() if is_refused else limit.increase()
        assert 1 <= limit.calls <= most
