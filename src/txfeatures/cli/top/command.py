"""``txfeatures top``: a running pipeline, refreshed in place on a terminal."""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import typer
from rich.console import Console
from rich.live import Live

from txfeatures.cli.running_demos import choose, running
from txfeatures.cli.top.counts import METRICS, Counts, read
from txfeatures.cli.top.pipeline import Pipeline, pipeline
from txfeatures.cli.top.screen import render
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.runtime import stop_on_signals

TIMEOUT_S = 2.0


def top(
    *,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Metrics of a process, http://HOST:PORT/metrics; repeatable. Default: the demo.",
        ),
    ] = None,
    interval_s: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between two readings.")
    ] = 2.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Two readings, then one JSON object.")
    ] = False,
) -> None:
    """Show a running pipeline: rates, lag, freshness, gaps and dead letters.

    On a terminal it refreshes until Ctrl-C. Else it prints one table after two readings.
    """
    addresses = _addresses(metrics)
    stop, clock, console = threading.Event(), SystemClock(), Console()
    stop_on_signals(stop)
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
        watch = Watch(addresses, client=client, clock=clock)
        if as_json or not console.is_terminal:
            clock.wait(stop, interval_s)
            found = watch.look()
            typer.echo(json.dumps(asdict(found)), nl=True) if as_json else console.print(
                render(found), highlight=False
            )
            return
        with Live(console=console, auto_refresh=False) as live:
            while not clock.wait(stop, interval_s):
                live.update(render(watch.look()), refresh=True)


class Watch:
    """Readings of the processes at ``addresses``, each compared with the one before.

    Raises:
        FatalError: None of them answers.
    """

    def __init__(self, addresses: Mapping[str, str], *, client: httpx.Client, clock: Clock) -> None:
        self._addresses = addresses
        self._client = client
        self._clock = clock
        self._before, self._read_s = self._read()

    def look(self) -> Pipeline:
        """Read again; return the state, with rates since the reading before."""
        now, read_s = self._read()
        found = pipeline(self._before, now, seconds=read_s - self._read_s)
        self._before, self._read_s = now, read_s
        return found

    def _read(self) -> tuple[Counts, float]:
        counts = read(self._addresses, self._client)
        if not counts.answered:
            raise FatalError(
                f"no process answers at {', '.join(self._addresses.values())}; "
                "check the addresses of --metrics"
            )
        return counts, self._clock.monotonic()


def _addresses(metrics: list[str] | None) -> Mapping[str, str]:
    if not metrics:
        chosen = [demo for demo in running() if demo.is_used]
        return (chosen[0] if chosen else choose(None)).metrics
    for url in metrics:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise FatalError(f"--metrics {url} is no address; write http://HOST:PORT{METRICS}")
    bases = [url.rstrip("/").removesuffix(METRICS) for url in metrics]
    return {urlsplit(base).netloc: base for base in bases}
