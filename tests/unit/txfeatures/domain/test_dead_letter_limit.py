from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txfeatures.domain.dead_letter_limit import (
    RECORDS_PER_DEAD_LETTER,
    DeadLetterLimit,
    TooManyDeadLettersError,
)
from txfeatures.domain.errors import InvalidMessageError

ERROR = InvalidMessageError("not_json", "malformed")


def limit_of(limit: int) -> DeadLetterLimit:
    return DeadLetterLimit(topic="raw", partition=3, limit=limit)


def judged(pattern: str, first: int = 0) -> list[tuple[int, InvalidMessageError | None]]:
    """Return records of a batch: ``x`` is a dead letter, ``g`` a readable record."""
    return [(first + i, ERROR if mark == "x" else None) for i, mark in enumerate(pattern)]


def stops(limit: int, batches: Sequence[str]) -> bool:
    counted = limit_of(limit)
    try:
        for batch in batches:
            counted = counted.after(judged(batch))
    except TooManyDeadLettersError:
        return True
    return False


@pytest.mark.parametrize(
    "batches", ["xxxx", "gxxxx", "xxxxg", "gxxx|x", "xxx|x", "xxgx|gggx", "x|x|x|x", "xg|xg|xg|xg"]
)
def test_one_dead_letter_above_the_limit_stops_wherever_readable_records_stand(
    batches: str,
) -> None:
    assert stops(3, batches.split("|"))


@pytest.mark.parametrize("batches", ["", "xxx", "gxxx|g", "xxx" + "g" * 27 + "xxx" + "g" * 27])
def test_as_many_as_the_limit_are_allowed_in_each_window(batches: str) -> None:
    assert not stops(3, batches.split("|"))


def test_a_batch_of_3999_dead_letters_and_one_readable_record_stops_at_1000() -> None:
    for place in (0, 2_000, 3_999):
        batch = judged("x" * place + "g" + "x" * (3_999 - place))
        with pytest.raises(TooManyDeadLettersError, match=r"more than 1000 of the last 10000"):
            limit_of(1000).after(batch)


def test_29_of_30_dead_letters_stop_after_a_thousand() -> None:
    pattern = ("g" + "x" * 29) * 40
    with pytest.raises(TooManyDeadLettersError) as raised:
        limit_of(1000).after(judged(pattern))
    offset = [i for i, mark in enumerate(pattern) if mark == "x"][1000]
    assert f"offset {offset}:" in str(raised.value)


def test_one_dead_letter_in_a_thousand_never_stops() -> None:
    counted = limit_of(10)
    for _ in range(300):
        counted = counted.after(judged("x" + "g" * 999))
    assert len(counted.dead) <= 1


def test_the_message_names_the_place_and_the_error() -> None:
    with pytest.raises(TooManyDeadLettersError, match=r"raw, partition 3, .* offset 8: not_json"):
        limit_of(1).after(judged("xx", first=7))


def test_a_batch_that_passes_the_limit_leaves_the_count_as_it_was() -> None:
    before = limit_of(3).after(judged("xx"))
    with pytest.raises(TooManyDeadLettersError):
        before.after(judged("xx"))
    assert before.after(judged("x")).records == 3


@given(
    limit=st.integers(1, 5),
    batches=st.lists(st.text(alphabet="gggggggggggx", max_size=80), max_size=8),
)
def test_it_agrees_with_counting_each_window_anew(limit: int, batches: list[str]) -> None:
    whole = "".join(batches)
    window = RECORDS_PER_DEAD_LETTER * limit
    too_many = any(
        whole[max(0, end - window) : end].count("x") > limit for end in range(len(whole) + 1)
    )
    assert stops(limit, batches) == too_many
