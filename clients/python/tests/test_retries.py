import pytest

from txfeatures.client.messages import Response
from txfeatures.client.retries import Retries, retry_after_s

LONGEST = Retries(attempts=4, first_s=1.0, max_s=3.0, jitter=lambda: 1.0)


def test_the_wait_doubles_up_to_its_bound_and_the_attempts_end() -> None:
    assert [LONGEST.wait_s(failed) for failed in (1, 2, 3, 4)] == [1.0, 2.0, 3.0, None]


def test_what_the_api_asks_for_is_never_cut_short() -> None:
    assert LONGEST.wait_s(1, asked_s=60.0) == 61.0
    assert LONGEST.wait_s(1, asked_s=60.1) is None


def test_waits_are_spread() -> None:
    assert len({Retries().wait_s(1) for _ in range(10)}) > 1
    assert Retries(attempts=10**6).wait_s(10**5) is not None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:30 GMT"}, None),
        (
            {
                "retry-after": "Fri, 02 Jan 2026 03:04:30 GMT",
                "date": "Fri, 02 Jan 2026 03:04:00 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Fri, 02 Jan 2026 03:04:00 GMT",
                "date": "Fri, 02 Jan 2026 03:04:30 GMT",
            },
            0.0,
        ),
    ],
)
def test_a_date_counts_from_that_of_the_answer(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(Response(status=503, headers=headers)) == seconds
