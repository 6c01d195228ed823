"""``python -m txfeatures_local.source``: serve a recording or a simulation."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from txfeatures.archive.recording import read
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import SystemClock
from txfeatures_local.source import faults
from txfeatures_local.source.replay_clock import ClockMode
from txfeatures_local.source.server import SourceServer
from txfeatures_local.source.simulation import simulate

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    *,
    file: Annotated[Path | None, typer.Option(help="The recording to replay.")] = None,
    simulation: Annotated[
        bool, typer.Option("--simulate", help="Simulate transactions instead, for ever.")
    ] = False,
    clock: Annotated[
        ClockMode | None,
        typer.Option(
            help="poll: each poll moves the feed by a second; real: time does. "
            "By default poll for a recording, and real for a simulation."
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option(help="Seconds of the feed in one second, for --clock real.")
    ] = 1.0,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 0,
    errors: Annotated[
        Path | None, typer.Option(help="Recorded error bodies to mix in with the imagined ones.")
    ] = None,
    error_rate: Annotated[
        float, typer.Option(min=0, max=1, help="The share of polls that fail.")
    ] = 0.0,
    push_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of a websocket; none without it.")
    ] = None,
    drop_rate: Annotated[
        float, typer.Option(min=0, max=1, help="The share of pushes that drop the websocket.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
) -> None:
    """Answer as the live endpoint does, until SIGTERM or SIGINT."""
    if simulation is (file is not None):
        raise FatalError("Give either --file with a recording or --simulate.")
    system_clock = SystemClock()
    kinds = faults.IMAGINED + (faults.read_errors(errors) if errors else ())
    server = SourceServer(
        read(file) if file else simulate(clock=system_clock, seed=seed),
        clock=system_clock,
        clock_mode=clock or (ClockMode.POLL if file else ClockMode.REAL),
        speed=speed,
        host=host,
        port=port,
        faults=faults.Faults(kinds=kinds, rate=error_rate, seed=seed),
        push_port=push_port,
        drop_rate=drop_rate,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.done.set())
    with server:
        typer.echo(f"The source answers at {server.url}")
        if server.push_url:
            typer.echo(f"It pushes at {server.push_url}")
        server.done.wait()
    if server.failure:
        raise server.failure


def main() -> None:
    """Run; a failure is one sentence on stderr and exit code 1."""
    try:
        app()
    except FatalError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
