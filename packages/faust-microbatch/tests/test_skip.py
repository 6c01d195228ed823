import pytest

from faust_microbatch.engine.skip import skip


@pytest.mark.parametrize(
    ("next_offset", "reason", "records"),
    [(4, "expired", 6), (9, "expired", 1), (21, "beyond_end", 1), (90, "beyond_end", 70)],
)
def test_what_is_gone_lies_between_the_next_offset_and_the_log(
    next_offset: int, reason: str, records: int
) -> None:
    gone = skip("in", 3, next_offset, low=10, high=20)
    assert (gone.reason, gone.records, gone.first_offset) == (reason, records, 10)
    assert (gone.topic, gone.partition, gone.next_offset) == ("in", 3, next_offset)


@pytest.mark.parametrize("next_offset", [10, 15, 20])
def test_a_log_that_was_cut_and_has_grown_again_is_not_passed_over_in_silence(
    next_offset: int,
) -> None:
    gone = skip("in", 3, next_offset, low=10, high=20)
    assert (gone.reason, gone.records) == ("truncated", 1)
