from hypothesis import given
from hypothesis import strategies as st

from txfeatures_poller.feed_clock import FeedClock

START_S = 1_729_334_940
JUMP_S = 300
DAY_S = 86_400
FRESH = FeedClock(max_jump_ms=JUMP_S * 1000)


def answered(
    clock: FeedClock,
    feed_time_s: float,
    *,
    now_s: float = 0.0,
    other_s: int | None = None,
    new_s: tuple[int, ...] = (),
) -> FeedClock | None:
    return clock.answered(
        int(feed_time_s * 1000),
        now_s=now_s,
        other_clock_ms=None if other_s is None else other_s * 1000,
        new_times_s=new_s,
    )


def started() -> FeedClock:
    clock = answered(FRESH, START_S, new_s=(START_S - 1,))
    assert clock is not None
    return clock


def test_a_first_answer_sets_the_clock_if_a_transaction_or_the_other_clock_confirms_it() -> None:
    assert started().reached_ms == START_S * 1000
    other = answered(FRESH, START_S, other_s=START_S + JUMP_S, new_s=(0,))
    assert other is not None
    assert other.reached_ms == START_S * 1000


def test_a_first_answer_is_refused_if_both_contradict_in_either_direction() -> None:
    for days in (-2, 2):
        feed_s = START_S + days * DAY_S
        assert answered(FRESH, feed_s, other_s=START_S, new_s=(START_S, START_S - 1)) is None


def test_a_first_answer_without_one_of_them_passes_and_is_no_reference() -> None:
    assert answered(FRESH, START_S + 2 * DAY_S, other_s=START_S) is FRESH
    assert answered(FRESH, START_S + 2 * DAY_S, new_s=(START_S,)) is FRESH


def test_a_jump_that_nothing_confirms_is_refused_and_does_not_move_the_clock() -> None:
    clock = started()
    assert answered(clock, START_S + 2 * DAY_S, now_s=1, other_s=0, new_s=(START_S,)) is None
    assert answered(clock, START_S + 2 * DAY_S, now_s=1) is None
    again = answered(clock, START_S + 2, now_s=2, new_s=(START_S,))
    assert again is not None
    assert again.reached_ms == (START_S + 2) * 1000


def test_a_jump_that_a_new_transaction_or_the_other_clock_confirms_is_followed() -> None:
    feed_s = START_S + 2 * DAY_S
    for witness in ({"new_s": (0, feed_s - JUMP_S)}, {"other_s": feed_s}):
        clock = answered(started(), feed_s, now_s=1, **witness)
        assert clock is not None
        assert clock.reached_ms == feed_s * 1000


def test_time_that_has_passed_needs_no_confirmation() -> None:
    clock = answered(started(), START_S + DAY_S + JUMP_S, now_s=DAY_S)
    assert clock is not None
    assert answered(started(), START_S + DAY_S + JUMP_S + 1, now_s=DAY_S) is None


def test_a_source_that_shows_nothing_new_does_not_stop_the_clock() -> None:
    clock: FeedClock | None = started()
    for second in range(0, 3600, 60):
        assert clock is not None
        clock = answered(clock, START_S + second, now_s=0.0)  # a replay, sixty times as fast
    assert clock is not None
    assert clock.reached_ms == (START_S + 3540) * 1000


def test_a_failed_poll_moves_the_clock_by_small_steps_only() -> None:
    clock = started().failed((START_S + 5) * 1000, now_s=1)
    assert clock.reached_ms == (START_S + 5) * 1000
    assert clock.failed((START_S + DAY_S) * 1000, now_s=2) is clock
    assert clock.failed(None, now_s=2) is clock
    assert FRESH.failed(START_S * 1000, now_s=0) is FRESH


@given(
    st.lists(
        st.tuples(
            st.integers(-3 * DAY_S, 3 * DAY_S),
            st.floats(0, 100),
            st.lists(st.integers(-3 * DAY_S, 3 * DAY_S), max_size=2),
        )
    )
)
def test_the_clock_never_falls_and_its_steps_are_explained(
    answers: list[tuple[int, float, list[int]]],
) -> None:
    clock, now_s = started(), 0.0
    for feed_s, passed_s, times_s in answers:
        now_s += passed_s
        new_s = tuple(START_S + time_s for time_s in times_s)
        after = answered(clock, START_S + feed_s, now_s=now_s, new_s=new_s)
        if after is None:
            continue
        assert clock.reached_ms is not None
        assert after.reached_ms is not None
        step_ms = after.reached_ms - clock.reached_ms
        assert step_ms >= 0
        explained = (now_s - clock.reached_at_s + JUMP_S) * 1000
        near = any(abs(after.reached_ms - time_s * 1000) <= JUMP_S * 1000 for time_s in new_s)
        assert step_ms <= explained or near
        clock = after
