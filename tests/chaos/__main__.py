"""The command of the chaos run: ``python -m tests.chaos``."""

import random
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.systems import GUARANTEES, PRODUCT
from tests.chaos.baseline import SYSTEMS, baseline
from tests.chaos.parts import Size
from tests.chaos.run import FIRST_FAULTS, Options, chaos
from tests.support.result import write_json
from txfeatures.process.logs import configure_logging
from txfeatures.process.settings import LogSettings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BUILD = Path("build/chaos")


@app.command()
def run(
    *,
    minutes: Annotated[float, typer.Option(min=0.1, help="Time for which faults begin.")] = 30,
    seed: Annotated[int | None, typer.Option(help="Decides faults and transactions.")] = None,
    rate: Annotated[int, typer.Option(min=10, help="Transactions a second.")] = 800,
    brokers: Annotated[int, typer.Option(min=1, help="Brokers of the cluster.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Workers of each service with several.")] = 2,
    kind: Annotated[list[str] | None, typer.Option(help="Kinds of faults; all if none.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Most faults.")] = FIRST_FAULTS,
    keep: Annotated[bool, typer.Option(help="Keep the directory with all logs.")] = False,
    plant: Annotated[
        str, typer.Option(help="Bug of the mutants' catalogue in the services, to be found.")
    ] = "",
    system: Annotated[
        str, typer.Option(help=f"{PRODUCT}, or a peer under SIGKILLs: {', '.join(SYSTEMS)}.")
    ] = PRODUCT,
    guarantee: Annotated[
        str, typer.Option(help=f"Of a peer: {' or '.join(GUARANTEES)}.")
    ] = GUARANTEES[0],
) -> None:
    """Run the pipeline under faults from one seed, and compare everything with the ledger.

    The exit code is 0 if every invariant holds, or with a planted bug if one fails; what a peer
    loses decides nothing.
    """
    # Brokers are away by plan, of which librdkafka would report at length.
    configure_logging(LogSettings(format="text", level="error"), service="chaos")
    seed = random.randrange(10**6) if seed is None else seed
    typer.echo(f"seed {seed}")
    if system != PRODUCT:
        _run_peer(system, guarantee, minutes=minutes, seed=seed, rate=rate, keep=keep)
        return
    options = Options(
        seconds=60 * minutes,
        seed=seed,
        size=Size(brokers=brokers, workers=workers, rate=rate),
        names=tuple(kind or ()),
        count=count,
        keep=keep,
        plant=plant,
    )
    result = chaos(options, say=typer.echo)
    _write(result, f"{plant or seed}.json")
    typer.echo(
        f"{result['transactions']:,} transactions in {result['seconds']} s of faults: "
        f"lost {result['lost']}, doubled {result['doubled']}"
    )
    if plant:
        sys.exit(f"the planted bug {plant} was not found" if result["holds"] else 0)
    if not result["holds"]:
        sys.exit(f"an invariant fails; run it again with SEED={seed}")


def _run_peer(
    system: str, guarantee: str, *, minutes: float, seed: int, rate: int, keep: bool
) -> None:
    if system not in SYSTEMS or guarantee not in GUARANTEES:
        raise typer.BadParameter(f"{system}, {guarantee}: see --help for the names")
    result = baseline(
        system,
        guarantee=guarantee,
        seconds=60 * minutes,
        seed=seed,
        rate=rate,
        say=typer.echo,
        keep=keep,
    )
    _write(result, f"{system}-{guarantee}-{seed}.json")
    typer.echo(
        f"{result['transactions']:,} transactions, {result['kills']} kills: "
        f"lost {result['lost']}, doubled {result['doubled']}"
    )


def _write(result: dict[str, object], name: str) -> None:
    path = BUILD / name
    write_json(path, result)
    typer.echo(f"the whole result is in {path}")


if __name__ == "__main__":
    app()
