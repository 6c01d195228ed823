"""A test from a judgement of examples, which must also reach the outcomes it is there for."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.support.shared_data import REPOSITORY

Example = TypeVar("Example")

EXAMPLES = "FUZZ_EXAMPLES"
"""Environment variable: examples of each test, all of them new; the quick gate's if unset."""

DATABASE = REPOSITORY / ".hypothesis" / "fuzz"
"""Examples that failed, which come first in the next long run."""

QUICK_EXAMPLES = 80

ANOTHER = "another"
"""The outcome of a refusal that is not what it should be."""


def _budget() -> settings:
    wanted = os.environ.get(EXAMPLES)
    common = settings(
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    if wanted is None:
        return settings(common, max_examples=QUICK_EXAMPLES, derandomize=True, database=None)
    return settings(
        common, max_examples=int(wanted), database=DirectoryBasedExampleDatabase(DATABASE)
    )


def fuzz(
    examples: st.SearchStrategy[Example], *, reaches: Collection[str]
) -> Callable[[Callable[[Example], Iterable[str]]], Callable[[], None]]:
    """Make a test of a function that judges one example and returns the outcomes it has seen.

    Args:
        examples: The strategy.
        reaches: Outcomes that some example must have, or the test has not gone deep enough.
    """

    def decorate(judge: Callable[[Example], Iterable[str]]) -> Callable[[], None]:
        def test() -> None:
            outcomes: Counter[str] = Counter()

            def run(example: Example) -> None:
                for outcome in judge(example):
                    event(outcome)
                    outcomes[outcome] += 1

            run.__name__ = judge.__name__  # hypothesis tells tests apart by it
            _budget()(given(examples)(run))()
            assert ANOTHER not in outcomes, "an error of another kind or without its place"
            missed = set(reaches) - outcomes.keys()
            assert not missed, f"never reached: {sorted(missed)}; reached: {dict(outcomes)}"

        test.__name__ = judge.__name__
        test.__doc__ = judge.__doc__
        return test

    return decorate
