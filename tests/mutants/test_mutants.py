import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.__main__ import report
from tests.mutants.mutant import Mutant, StaleMutantError, catalogue
from tests.mutants.runs import REPOSITORY, BrokenTestsError, Verdict, run

SAMPLE = 10
FEWEST = 100

NOTICED = Mutant(
    name="a",
    bug="Quantiles are those of the next rank.",
    file="src/txfeatures/domain/features/sketch.py",
    before="if rank <= 0:",
    after="if rank < 0:",
    tests=("tests/unit/txfeatures/domain/features/test_sketch.py",),
)
UNNOTICED = replace(NOTICED, after="if rank <= 0:  # nothing has changed")


def test_every_mutant_applies_to_the_code_of_today() -> None:
    mutants = catalogue()
    for mutant in mutants:
        mutant.planted((REPOSITORY / mutant.file).read_text())
        for test in mutant.tests:
            assert (REPOSITORY / test.partition("::")[0]).exists(), mutant.name
    assert len(mutants) >= FEWEST
    assert Counter(mutant.name for mutant in mutants).most_common(1)[0][1] == 1


@pytest.mark.parametrize("source", ["if rank <= 1:", "if rank <= 0: # if rank <= 0:"])
def test_a_mutant_of_code_that_has_changed_is_refused(source: str) -> None:
    with pytest.raises(StaleMutantError, match=r"occurs [02] times in .*sketch\.py"):
        NOTICED.planted(source)


def test_a_mutant_that_is_not_python_is_refused() -> None:
    with pytest.raises(StaleMutantError, match="not Python"):
        replace(NOTICED, after="if rank <").planted("if rank <= 0:\n    pass")


@pytest.mark.integration
def test_a_bug_is_told_from_a_change_that_no_test_notices(
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = Path(REPOSITORY / NOTICED.file).read_bytes()
    results = list(run([NOTICED, UNNOTICED], jobs=1))
    assert [result.verdict for result in results] == [Verdict.KILLED, Verdict.SURVIVED]
    assert report(results) == 1
    assert "score: 1 of 2 killed" in capsys.readouterr().out
    assert Path(REPOSITORY / NOTICED.file).read_bytes() == source


@pytest.mark.integration
def test_tests_that_fail_without_a_bug_prove_nothing() -> None:
    missing = replace(NOTICED, tests=("tests/unit/no_such_test.py",))
    with pytest.raises(BrokenTestsError, match="no_such_test"):
        list(run([missing], jobs=1))


@pytest.mark.integration
@pytest.mark.timeout(3_600)
def test_mutants_chosen_at_random_are_killed(capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chosen = random.Random(seed).sample(catalogue(), SAMPLE)
    failed = report(list(run(chosen, jobs=1)))
    assert not failed, f"seed {seed}\n{capsys.readouterr().out}"
