import pytest

from txfeatures.kafka.skips import skipped_records


@pytest.mark.parametrize(
    ("next_offset", "low", "high", "reason", "records"),
    [
        (100, 250, 900, "expired", 150),
        (100, 0, 40, "beyond_end", 60),
        (100, 0, 140, "truncated", 40),
        (100, 0, 100, "truncated", 1),
    ],
)
def test_the_watermarks_give_the_reason_and_the_number_of_records(
    next_offset: int, low: int, high: int, reason: str, records: int
) -> None:
    found = skipped_records("deduped", 3, next_offset, low=low, high=high)
    assert (found.reason, found.records, found.first_offset) == (reason, records, low)
