"""``txfeatures demo``: the whole pipeline on this machine, without Docker, Java or AWS."""

import os
import shutil
import sys
import tempfile
import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.live import Live

from txfeatures.cli.running_demos import RunningDemo, announced
from txfeatures.cli.top import counts
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import Declaration
from txfeatures.domain.model import Row
from txfeatures.domain.rules import AggregatorRules
from txfeatures.process import aws
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.declared import load_features
from txfeatures.process.logs import configure_logging
from txfeatures.process.runtime import stop_on_signals
from txfeatures.process.settings import AwsSettings, FeaturesSettings, KafkaSettings, LogSettings
from txfeatures_local.demo import screen
from txfeatures_local.demo.drained import Drain, closing_time_s, read_status
from txfeatures_local.demo.export import read_rows, write_rows
from txfeatures_local.demo.plan import TRAINING_SET, Plan, Source, Transport, Until, handover
from txfeatures_local.demo.stack import Stack, StoppedError
from txfeatures_local.demo.terminal import foreground
from txfeatures_local.demo.training_set import write_training_set
from txfeatures_local.source.endpoint import Status
from txfeatures_local.source.replay_clock import ClockMode
from txfeatures_poller.settings import Settings as PollerSettings
from txfeatures_poller.source import HttpSource, PollFailedError

LIVE_TIMEOUT_S = 3.0
REFRESH_S = 0.5
LINE_EVERY_S = 5.0


def demo(
    *,
    source: Annotated[Source, typer.Option(help="auto: live if it answers.")] = Source.AUTO,
    transport: Annotated[
        Transport, typer.Option(help="websocket: transactions are pushed, and polled as a check.")
    ] = Transport.HTTP,
    file: Annotated[Path | None, typer.Option(help="The recording to replay.")] = None,
    clock: Annotated[
        ClockMode, typer.Option(help="poll: as fast as it is polled.")
    ] = ClockMode.REAL,
    speed: Annotated[float, typer.Option(min=0.001, help="For clock real.")] = 1.0,
    until: Annotated[Until, typer.Option(help="drained: end when all arrived.")] = Until.STOPPED,
    export: Annotated[Path | None, typer.Option(help="Write the final rows here.")] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="The training set, when drained.", show_default=str(TRAINING_SET)),
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="The file that declares the features.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the api.")] = 8000,
    pollers: Annotated[int, typer.Option(min=1, max=9, help="Pollers side by side.")] = 1,
    errors: Annotated[Path | None, typer.Option(help="Error answers to mix in.")] = None,
    error_rate: Annotated[float, typer.Option(min=0, max=0.9, help="Polls that fail.")] = 0.0,
) -> None:
    """Run the whole pipeline on this machine and show its counts; Ctrl-C stops it."""
    plan = Plan(
        source=source,
        transport=transport,
        file=file,
        clock=clock,
        speed=speed,
        until=until,
        export=export,
        dataset=dataset,
        features=features,
        port=port,
        pollers=pollers,
        errors=errors,
        error_rate=error_rate,
    )
    plan.check()
    configure_logging(LogSettings(format="text", level="warning"), service="demo")
    stop = threading.Event()
    stop_on_signals(stop)
    directory = Path(tempfile.mkdtemp(prefix="txfeatures-demo-"))
    with foreground():
        Demo(plan, directory=directory, stop=stop).run()
    shutil.rmtree(directory)  # kept after a failure, for its logs


class Demo:
    """One run of the demo."""

    def __init__(self, plan: Plan, *, directory: Path, stop: threading.Event) -> None:
        self._console = Console()
        self._clock: Clock = SystemClock()
        self._stop = stop
        self._directory = directory
        self._plan = plan
        self._declaration = load_features(FeaturesSettings(file=plan.features))

    def run(self) -> None:
        """Start, show, stop.

        Raises:
            FatalError: A process can't start or has died.
        """
        self._plan = self._decide_source(self._plan)
        stack = Stack(
            plan=self._plan,
            directory=self._directory,
            report=self._print,
            clock=self._clock,
            stop=self._stop,
        )
        try:
            with stack, announced(self._running(stack)):
                self._introduce(stack)
                self._show(stack)
                if self._plan.until is Until.DRAINED and not self._stop.is_set():
                    self._report(stack)
                self._print("stopping, the pollers first")
        except StoppedError:
            pass
        self._print("stopped: no process and no port is left behind")

    def _running(self, stack: Stack) -> RunningDemo:
        return RunningDemo(
            pid=os.getpid(),
            api=stack.addresses.api,
            metrics=stack.addresses.metrics,
            environment=handover(self._plan, stack.addresses),
        )

    def _introduce(self, stack: Stack) -> None:
        """Print the addresses, and the commands for a second terminal."""
        command = sys.argv[0]
        self._print(f"live page: {stack.addresses.api}/")
        self._print(f"in a second terminal: {command} --demo top (or audit, dlq list, ...)")
        self._print(f'for notebooks and boto3: eval "$({command} --demo env)"')

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)

    def _decide_source(self, plan: Plan) -> Plan:
        decided = self._try_live() if plan.source is Source.AUTO else plan.source
        return replace(plan, source=decided)

    def _try_live(self) -> Source:
        settings = PollerSettings()
        source = HttpSource(
            str(settings.url),
            timeout_s=LIVE_TIMEOUT_S,
            max_body_bytes=settings.max_body_bytes,
            feed_clock="poll",
            clock=self._clock,
        )
        with source:
            try:
                source.fetch()
            except PollFailedError as error:
                self._print(f"the live endpoint does not answer ({error.outcome}): simulating it")
                return Source.SIMULATION
        self._print("the live endpoint answers: using it")
        return Source.LIVE

    def _show(self, stack: Stack) -> None:
        """Show the counts until stopped or drained."""
        with ExitStack() as opened:
            client = opened.enter_context(httpx.Client(timeout=2.0, trust_env=False))
            drain = None
            if self._plan.until is Until.DRAINED:
                drain = opened.enter_context(closing(self._drain(stack, client)))
            live = None
            if self._console.is_terminal:
                live = opened.enter_context(Live(console=self._console, auto_refresh=False))
            next_line_s = self._clock.monotonic()
            while not self._stop.is_set():
                stack.check()
                if drain and _look(drain):
                    return
                if live or self._clock.monotonic() >= next_line_s:
                    found = counts.read(stack.addresses.metrics, client)
                    newest = _newest(stack.addresses.api, client)
                    if live:
                        title = f"txfeatures, source: {self._plan.source.value}"
                        live.update(
                            screen.render(
                                found,
                                newest,
                                features=self._declaration.features,
                                title=title,
                                addresses=stack.addresses,
                            ),
                            refresh=True,
                        )
                    else:
                        self._print(screen.summary(found, newest))
                        next_line_s += LINE_EVERY_S
                self._clock.wait(self._stop, REFRESH_S)

    def _drain(self, stack: Stack, client: httpx.Client) -> Drain:
        return Drain(
            KafkaSettings(bootstrap_servers=stack.addresses.kafka),
            status=lambda: read_status(stack.status_url, client),
            pollers=self._plan.pollers,
        )

    def _report(self, stack: Stack) -> None:
        """Read the rows back, print their number, and write the files of the options."""
        _use_only(stack)
        with httpx.Client(timeout=30.0, trust_env=False) as client:
            rows = _rows(read_status(stack.status_url, client), self._declaration)
            total = sum(int(row["total_nb_trx_1min"]) for row in rows)
            self._print(f"drained: {total:,} transactions in {len(rows)} final rows")
            if self._plan.export:
                write_rows(self._plan.export, iter(rows))
                self._print(f"rows written to {self._plan.export}")
            if not rows:
                self._print("no training set: there is no final row")
                return
            write_training_set(
                self._plan.dataset or TRAINING_SET,
                rows,
                aws_url=stack.addresses.aws,
                client=client,
            )


def _use_only(stack: Stack) -> None:
    """Point this process to the stack's AWS, whatever the user's environment holds."""
    for name in [name for name in os.environ if name.startswith(("TXF_", "AWS_"))]:
        del os.environ[name]
    wanted = ("AWS_", "NO_PROXY", "no_proxy", "TXF_FEATURES_")
    os.environ.update({k: v for k, v in stack.environment().items() if k.startswith(wanted)})


def _rows(status: Status, declaration: Declaration) -> list[Row]:
    """Return the final rows of a replay that was shown to its end."""
    if closing_time_s(status) is None or status.first_arrival_at is None:
        raise FatalError("the recording was not shown to its end; run it again")
    settings = AwsSettings()
    return list(
        read_rows(
            aws.feature_store(settings),
            settings.feature_group,
            features=declaration.features,
            first_s=status.first_arrival_at - AggregatorRules().allowed_lateness_s,
            last_s=max(status.newest_time or 0, status.last_arrival_at or 0),
        )
    )


def _look(drain: Drain) -> bool:
    try:
        return drain.is_done()
    except TransientError:
        return False


def _newest(api: str, client: httpx.Client) -> screen.Answer | None:
    try:
        answer = client.get(f"{api}/features/latest")
    except httpx.HTTPError:
        return None
    if not answer.is_success:
        return None
    found: screen.Answer = answer.json()
    return found
