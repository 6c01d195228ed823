"""The command of the mutation tests: ``python -m tests.mutants``."""

import random
import sys
from pathlib import Path
from typing import Annotated

import typer

from tests.mutants.mutant import Mutant, StaleMutantError, catalogue
from tests.mutants.runs import BrokenTestsError, Result, Verdict, run
from tests.support.result import today, write_json

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def mutants(
    names: Annotated[list[str] | None, typer.Argument(help="Mutants to run; all if none.")] = None,
    *,
    sample: Annotated[int | None, typer.Option(min=1, help="Run that many at random.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sample.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Mutants tested at the same time.")] = 2,
    json: Annotated[Path | None, typer.Option(help="File for the score and survivors.")] = None,
) -> None:
    """Plant each bug in a copy of this checkout, and run the tests that must notice it.

    The exit code is 0 if every mutant is killed, or is listed with the reason why it survives.
    """
    try:
        chosen = _choose(catalogue(), names, sample=sample, seed=seed)
        results = []
        for number, result in enumerate(run(chosen, jobs=jobs), 1):
            typer.echo(f"{number}/{len(chosen)} {result.verdict:<9} {result.mutant.name}")
            results.append(result)
    except (StaleMutantError, BrokenTestsError, LookupError) as error:
        sys.exit(str(error))
    if json:
        write_json(json, _document(results))
    sys.exit(report(results))


def _choose(
    known: list[Mutant], names: list[str] | None, *, sample: int | None, seed: int | None
) -> list[Mutant]:
    if names:
        by_name = {mutant.name: mutant for mutant in known}
        if unknown := [name for name in names if name not in by_name]:
            raise LookupError(f"no such mutant: {', '.join(unknown)}; they are in catalogue/")
        return [by_name[name] for name in names]
    if sample is None:
        return known
    seed = random.randrange(10**6) if seed is None else seed
    typer.echo(f"a sample of {sample} of {len(known)}, --seed {seed}")
    return random.Random(seed).sample(known, min(sample, len(known)))


def _document(results: list[Result]) -> dict[str, object]:
    survivors = [result for result in results if result.verdict is not Verdict.KILLED]
    return {
        "date": today(),
        "mutants": len(results),
        "killed": len(results) - len(survivors),
        "survivors": [
            {
                "name": result.mutant.name,
                "bug": result.mutant.bug,
                "verdict": str(result.verdict),
                "survives": result.mutant.survives,
            }
            for result in survivors
        ],
    }


def report(results: list[Result]) -> int:
    """Print the score and the survivors; return the exit code."""
    killed = sum(result.verdict is Verdict.KILLED for result in results)
    typer.echo(f"score: {killed} of {len(results)} killed")
    failures = 0
    for result in results:
        mutant = result.mutant
        if result.verdict is Verdict.KILLED:
            if mutant.survives is not None:
                failures += 1
                typer.echo(f"{mutant.name} is killed; remove `survives` from the catalogue")
        elif result.verdict is Verdict.SURVIVED and mutant.survives is not None:
            typer.echo(f"{mutant.name} survives: {mutant.survives}")
        else:
            failures += 1
            typer.echo(f"{mutant.name} {result.verdict}: {mutant.bug}\n{result.output}")
    return 1 if failures else 0


if __name__ == "__main__":
    app()
