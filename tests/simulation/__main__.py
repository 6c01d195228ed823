"""The command of the simulation: ``python -m tests.simulation``."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tests.simulation.runs import Scenario, Simulation, silent_logs
from tests.support.result import today, write_json

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

PROGRESS = 500


@app.command()
def simulate(
    *,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 10_000,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    json: Annotated[Path | None, typer.Option(help="File for the totals.")] = None,
) -> None:
    """Run the pipeline in simulated worlds; the first failing one is shrunk and printed.

    The exit code is 0 if in every world nothing was lost and nothing counted twice.
    """
    with silent_logs(), Simulation() as simulation:
        for seed in range(first, first + seeds):
            if failure := simulation.run(Scenario(seed=seed)):
                typer.echo(str(simulation.shrink(failure)))
                sys.exit(f"seed {seed} fails; run it again with --first {seed} --seeds 1")
            if (done := seed - first + 1) % PROGRESS == 0 or done == seeds:
                totals = simulation.totals
                typer.echo(
                    f"{done} seeds: {totals.transactions} transactions, {totals.events} events, "
                    f"{totals.simulated_s / 3600:.1f} simulated hours, lost 0, doubled 0"
                )
        if json:
            result = {"date": today(), "first": first, "seeds": seeds, **asdict(simulation.totals)}
            write_json(json, result)


if __name__ == "__main__":
    app()
