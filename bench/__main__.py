"""The command of the benchmark: ``python -m bench``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import report
from bench.api import measure_api
from bench.contest import Result, contest
from bench.latency import Latency, measure_latency
from bench.stages import stages
from bench.state import DAY_H, Measured, measure_day, measure_rebalance, measure_recovery
from bench.systems import PRODUCT
from bench.writer import measure_writer
from txfeatures.domain.errors import TxFeaturesError
from txfeatures.process.clock import SystemClock
from txfeatures.process.logs import configure_logging
from txfeatures.process.settings import LogSettings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

LATENCY, RECOVERY, DAY, REBALANCE = "latency", "recovery", "day", "rebalance"
WRITER, API = "fs_writer", "api"
_OTHERS = (LATENCY, RECOVERY, DAY, REBALANCE, WRITER, API)
TABLE_WIDTH = 120
"""Width of the widest table, in columns of the terminal."""

_STAGES = {stage.name: stage for stage in stages()}
_SYSTEMS = list(dict.fromkeys(s.name for stage in stages() for s in stage.systems))


@app.command()
def bench(
    *,
    stage: Annotated[
        list[str] | None, typer.Option(help=f"Stages to run: {', '.join([*_STAGES, *_OTHERS])}.")
    ] = None,
    system: Annotated[
        list[str] | None, typer.Option(help=f"Systems to run: {', '.join(_SYSTEMS)}.")
    ] = None,
    records: Annotated[
        int, typer.Option(min=1000, help="Input records; the chain gets five times as many.")
    ] = 200_000,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each system.")] = 3,
    hashes: Annotated[
        int, typer.Option(min=1000, help="Hashes to recover; rebalance uses a tenth of them.")
    ] = 10_000_000,
    hours: Annotated[int, typer.Option(min=1, help="Hours of the feed in the stage day.")] = DAY_H,
    seconds: Annotated[int, typer.Option(min=2, help="Duration of the stage latency.")] = 120,
    json: Annotated[Path, typer.Option(help="File for the results.")] = Path("build/bench.json"),
    page: Annotated[Path | None, typer.Option(help="File for a page of Markdown.")] = None,
) -> None:
    """Measure this product and its peers on this machine; downloads the peers once.

    The exit code is 0 if txfeatures ran and kept its guarantee, however fast it was.
    """
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)

    def say(text: str) -> None:
        console.print(text, highlight=False)

    configure_logging(LogSettings(format="text", level="error"), service="bench")
    try:
        chosen = _known(stage, [*_STAGES, *_OTHERS])
        names = _known(system, _SYSTEMS)
        results: list[Result] = []
        latencies: list[Latency] = []
        state: list[Measured] = []
        clock = SystemClock()
        if LATENCY in chosen:
            latencies = measure_latency(seconds, clock=clock, say=say)
        if RECOVERY in chosen:
            state += measure_recovery(hashes, clock=clock, say=say)
        if DAY in chosen:
            state += measure_day(hours, clock=clock, say=say)
        if REBALANCE in chosen:
            state += measure_rebalance(hashes // 10, clock=clock, say=say)
        if WRITER in chosen:
            state += measure_writer(records // 10, clock=clock, say=say)
        if API in chosen:
            state += measure_api(clock=clock, say=say)
        for one in (_STAGES[name] for name in chosen if name in _STAGES):
            if systems := [taker for taker in one.systems if taker.name in names]:
                results += contest(
                    one, systems, count=records * one.scale, rounds=rounds, clock=clock, say=say
                )
    except TxFeaturesError as error:
        say(str(error))
        raise typer.Exit(1) from error
    found = report.document(results, latencies, state, report.machine(clock.now()))
    report.write(json, found)
    if page:
        page.write_text(report.page(found), encoding="utf-8")
    for section in report.sections(found):
        console.print(report.table(section))
    say(f"figures in {json}")
    if any(_is_wrong(result) for result in results):
        raise typer.Exit(1)


def _known(chosen: list[str] | None, names: list[str]) -> list[str]:
    for name in chosen or ():
        if name not in names:
            raise typer.BadParameter(f"{name} is none of {', '.join(names)}")
    return chosen or names


def _is_wrong(result: Result) -> bool:
    return result.system == PRODUCT and (
        bool(result.skipped)
        or any(one.count.missing or one.count.duplicates for one in result.rounds)
    )


if __name__ == "__main__":
    app()
