"""The page "Reliability", made from the committed results: ``python -m tests.chaos.page``.

Results that are named on the command line are first copied beside those that are there. What
was not measured is left out of the page.
"""

import json
import math
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "reliability.md"
RESULTS = ROOT / "docs" / "explanation" / "reliability"
COMMAND = "make reliability"

Result = Mapping[str, Any]

HEAD = Path(__file__).with_name("page_head.md")


def page(results: Mapping[str, Result]) -> str:
    """Return the page; ``results`` are the files by name."""
    named = {
        kind: [results[name] for name in sorted(results) if name.startswith(kind)]
        for kind in ("chaos", "baseline", "simulation", "mutants")
    }
    parts = [
        HEAD.read_text(encoding="utf-8"),
        *_simulation(named["simulation"]),
        *_chaos(named["chaos"]),
        *_baselines(named["baseline"]),
        *_mutants(named["mutants"]),
    ]
    return "\n".join(parts)


def _simulation(runs: Sequence[Result]) -> Iterator[str]:
    if not runs:
        return
    yield "## Simulation\n"
    rows = [
        [
            run["date"],
            f"{run['first']:,} to {run['first'] + run['seeds'] - 1:,}",
            f"{run['seeds']:,}",
            f"{run['simulated_s'] / 3600:,.1f}",
            f"{run['transactions']:,}",
            "0",
            "0",
        ]
        for run in runs
    ]
    names = ("date", "seeds", "worlds", "simulated hours", "transactions", "lost", "doubled")
    yield _table(names, rows)
    bound = bound_of(sum(run["seeds"] for run in runs))
    yield f"With 0 failures, fewer than {bound} of the worlds fail, at 95 % confidence.\n"


def _chaos(runs: Sequence[Result]) -> Iterator[str]:
    if not runs:
        return
    yield "## Chaos runs\n"
    yield _table(
        (
            "seed", "date", "commit", "minutes of faults", "transactions", "per second", "faults",
            "lost", "doubled", "invariants",
        ),
        [
            [
                run["seed"],
                run["date"],
                run["commit"],
                f"{run['seconds'] / 60:.0f}",
                f"{run['transactions']:,}",
                run["per_second"],
                sum(kind["happened"] for kind in run["faults"].values()),
                run["lost"],
                run["doubled"],
                "all hold" if run["holds"] else _failing(run),
            ]
            for run in runs
        ],
    )  # fmt: skip
    checked = sum(run["transactions"] for run in runs)
    if not any(run["lost"] or run["doubled"] for run in runs):
        yield (
            f"With 0 of {checked:,} transactions lost and 0 doubled, the probability of either "
            f"is below {bound_of(checked)} at 95 % confidence (rule of three), under these "
            "faults.\n"
        )
    size, machine = runs[-1]["size"], runs[-1]["machine"]
    yield (
        f"The last run: {size['brokers']} brokers, {size['workers']} workers each of dedup, "
        f"aggregator and fs_writer, one poller, one api and the local AWS on {machine['cores']} "
        "cores and "
        f"{machine['memory_gib']} GiB.\n"
    )
    yield "### Faults and recovery\n"
    yield (
        "Seconds from the end of a fault until all that the source had shown up to its next answer "
        "was counted in the online store. Of a fault that another one followed at once, no "
        "recovery is measured.\n"
    )
    steady = [each for run in runs for each in run["steady_s"]]
    rows = [["none (steady state)", "", "", *_quantiles(steady)]]
    for kind, found in _merged(runs).items():
        rows.append(
            [
                kind,
                found["happened"],
                found["without_effect"],
                *_quantiles(found["recoveries_s"]),
            ]
        )
    yield _table(
        ("fault", "happened", "had no effect", "measured", "p50, s", "p99, s", "longest, s"), rows
    )


def _baselines(runs: Sequence[Result]) -> Iterator[str]:
    if not runs:
        return
    yield "## Other systems\n"
    yield (
        "The same ledger and comparison of minutes, with a windowed count and sum in the system's "
        "own state, on one broker; the only fault is SIGKILL every 8 to 20 seconds.\n"
    )
    yield _table(
        (
            "system", "guarantee", "seed", "date", "transactions", "kills", "lost", "doubled",
            "wrong minutes",
        ),
        [
            [
                run["system"],
                run["guarantee"].replace("_", " "),
                run["seed"],
                run["date"],
                f"{run['transactions']:,}",
                run["kills"],
                f"{run['lost']:,}",
                f"{run['doubled']:,}",
                f"{run['wrong_minutes']} of {run['minutes']}",
            ]
            for run in runs
        ],
    )  # fmt: skip


def _mutants(runs: Sequence[Result]) -> Iterator[str]:
    if not runs:
        return
    run = runs[-1]
    yield "## Planted bugs\n"
    yield f"On {run['date']} the tests noticed {run['killed']} of {run['mutants']} planted bugs.\n"
    if run["survivors"]:
        yield _table(
            ("not noticed", "bug", "reason"),
            [
                [each["name"], each["bug"], each["survives"] or f"none: {each['verdict']}"]
                for each in run["survivors"]
            ],
        )


def bound_of(trials: int) -> str:
    """Return the rule of three's bound on a probability after ``trials`` without a failure."""
    exponent = math.floor(math.log10(3 / trials))
    return f"{3 / trials / 10**exponent:.1f}e{exponent}"


def quantile(ascending: Sequence[float], percent: int) -> float:
    """Return the first value that at least ``percent`` % do not exceed."""
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)]


def _quantiles(values: Sequence[float]) -> list[str]:
    ascending = sorted(values)
    if not ascending:
        return ["0", "", "", ""]
    found = quantile(ascending, 50), quantile(ascending, 99), ascending[-1]
    return [str(len(ascending)), *(f"{each:.1f}" for each in found)]


def _merged(runs: Sequence[Result]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"happened": 0, "without_effect": 0, "recoveries_s": []}
    )
    for run in runs:
        for kind, found in run["faults"].items():
            for name, value in found.items():
                merged[kind][name] += value
    return dict(sorted(merged.items()))


def _failing(run: Result) -> str:
    return ", ".join(each["name"] for each in run["verdicts"] if not each["holds"]) + " fail"


def _table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def read(folder: Path = RESULTS) -> dict[str, Result]:
    """Return the committed results by the names of their files."""
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def keep(path: Path, folder: Path = RESULTS) -> Path:
    """Copy a result beside the committed ones, under a name that tells its kind."""
    result = json.loads(path.read_text())
    system = result.get("system")
    if system is None:
        name = path.name  # simulation.json, mutants.json
    elif system == "txfeatures":
        name = f"chaos-{result['seed']}.json"
    else:
        name = f"baseline-{system}-{result['guarantee']}-{result['seed']}.json"
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(path, folder / name))


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="Results to add.")] = None,
) -> None:
    """Write the page from the committed results and those that are named."""
    for path in files or ():
        typer.echo(f"kept: {keep(path).relative_to(ROOT)}")
    PAGE.write_text(page(read()), encoding="utf-8")
    typer.echo(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    typer.run(main)
