import json
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import page
from tests.chaos.document import Happened, kinds_of
from tests.chaos.page import PAGE, bound_of, keep, quantile, read

SIMULATION = {
    "date": "2026-01-02", "first": 0, "seeds": 10_000, "transactions": 5, "simulated_s": 7200.0,
}  # fmt: skip
MUTANTS = {
    "date": "2026-01-02",
    "mutants": 100,
    "killed": 99,
    "survivors": [{"name": "m", "bug": "b", "verdict": "survived", "survives": "no reader"}],
}
BASELINE = {
    "system": "faust", "guarantee": "at_least_once", "seed": 1, "date": "2026-01-02",
    "transactions": 1000, "kills": 3, "lost": 12, "doubled": 7, "wrong_minutes": 2, "minutes": 9,
}  # fmt: skip


def fault(**changes: Any) -> Happened:
    values: dict[str, Any] = {
        "number": 1, "kind": "kill", "victim": "dedup-0", "began_s": 1.0, "lasted_s": 2.0,
        "evidence": "process 1 killed", "reason": "", "waited": True, "recovery_s": 3.0,
    }  # fmt: skip
    return Happened(**values | changes)


def chaos(**changes: Any) -> dict[str, Any]:
    happened = [fault(), fault(recovery_s=5.0), fault(evidence="", reason="nobody polled")]
    return {
        "system": "txfeatures", "seed": 9, "date": "2026-01-02", "commit": "abc", "seconds": 1800,
        "transactions": 3_000_000, "per_second": 600, "faults": kinds_of(happened), "lost": 0,
        "doubled": 0, "holds": True, "steady_s": [0.5], "size": {"brokers": 3, "workers": 2},
        "machine": {"cores": 2, "memory_gib": 24}, "verdicts": [{"name": "I1", "holds": False}],
    } | changes  # fmt: skip


def test_the_page_equals_its_data() -> None:
    assert PAGE.read_text(encoding="utf-8") == page.page(read()), f"run `{page.COMMAND}`"


def test_what_was_not_measured_is_left_out() -> None:
    nothing = page.page({})
    for title in ("## Simulation", "## Chaos runs", "## Other systems", "## Planted bugs"):
        assert title not in nothing


def test_every_figure_of_the_results_is_on_the_page() -> None:
    text = page.page(
        {
            "chaos-9.json": chaos(),
            "baseline-faust.json": BASELINE,
            "simulation.json": SIMULATION,
            "mutants.json": MUTANTS,
        }
    )
    assert "| 9 | 2026-01-02 | abc | 30 | 3,000,000 | 600 | 2 | 0 | 0 | all hold |" in text
    assert "0 of 3,000,000 transactions lost and 0 doubled" in text
    assert "below 1.0e-6 at 95 %" in text
    assert "| kill | 2 | 1 | 2 | 3.0 | 5.0 | 5.0 |" in text
    assert "| faust | at least once | 1 | 2026-01-02 | 1,000 | 3 | 12 | 7 | 2 of 9 |" in text
    assert "| 2026-01-02 | 0 to 9,999 | 10,000 | 2.0 | 5 | 0 | 0 |" in text
    assert "noticed 99 of 100 planted bugs" in text
    assert "| m | b | no reader |" in text


def test_a_run_that_fails_is_not_hidden() -> None:
    text = page.page({"chaos-9.json": chaos(holds=False, lost=2)})
    assert "| 2 | 0 | I1 fail |" in text
    assert "rule of three" not in text


def test_a_result_is_kept_under_a_name_that_tells_its_kind(tmp_path: Path) -> None:
    for result, name in (
        (chaos(), "chaos-9.json"),
        (BASELINE, "baseline-faust-at_least_once-1.json"),
        (MUTANTS, "mutants.json"),
    ):
        path = tmp_path / "mutants.json"
        path.write_text(json.dumps(result))
        assert keep(path, tmp_path / "kept").name == name
    assert len(read(tmp_path / "kept")) == 3


@pytest.mark.parametrize(("trials", "bound"), [(3, "1.0e0"), (1000, "3.0e-3"), (40_000, "7.5e-5")])
def test_the_rule_of_three(trials: int, bound: str) -> None:
    assert bound_of(trials) == bound


def test_a_quantile_is_a_value_that_was_measured() -> None:
    assert quantile([1.0, 2.0, 3.0], 50) == 2.0
    assert quantile([1.0, 2.0, 3.0], 99) == 3.0
    assert quantile([1.0], 50) == 1.0
