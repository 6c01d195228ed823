"""The milliseconds of each step from the source's answer to the online store.

``python -m bench.milliseconds`` runs the whole stack on the simulation at its rate, collects
the spans of its services, and writes a table of the steps.
"""

import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, quantiles
from string import Template
from typing import Annotated

import typer
from kafka_local.ports import free_port
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from rich.console import Console

from bench import report
from bench.collector import running_collector
from bench.latency import WARM_UP_S
from bench.report import Section
from bench.steps import STEPS, Seen, durations
from txfeatures.domain.errors import FatalError, TxFeaturesError
from txfeatures.domain.topics import RAW
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.settings import KafkaSettings
from txfeatures_local.demo.plan import Plan, Source
from txfeatures_local.demo.stack import Report, Stack

LEAST_POLLS = 20

TEMPLATE = Path(__file__).with_name("latency.template")
"""The page around the figures."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class TracedStack(Stack):
    """A stack whose services are traced.

    Attributes:
        endpoint: URL of the collector.
    """

    endpoint = ""

    def environment(self) -> dict[str, str]:
        """Return the environment of every process of the stack."""
        return {**super().environment(), "TXF_TRACING_ENDPOINT": self.endpoint}


@app.command()
def milliseconds(
    *,
    seconds: Annotated[int, typer.Option(min=10, help="Duration of the measurement.")] = 120,
    page: Annotated[Path | None, typer.Option(help="File for a page of Markdown.")] = None,
) -> None:
    """Measure each step of a transaction's way to the online store, from its traces."""
    console = Console()
    clock = SystemClock()

    def say(text: str) -> None:
        console.print(text, highlight=False)

    about = {**report.machine(clock.now()), "load": load()}
    try:
        ways = measure(seconds, clock=clock, say=say)
    except TxFeaturesError as error:
        say(str(error))
        raise typer.Exit(1) from error
    section = table(ways)
    console.print(report.table(section))
    if page:
        page.write_text(text(section, about, polls=len(ways)), encoding="utf-8")


def measure(seconds: int, *, clock: Clock, say: Report) -> list[list[float]]:
    """Return the seconds of each step, for each poll of a stack that runs for ``seconds``.

    Raises:
        FatalError: Too few polls reached the store.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running_collector() as collector:
        stack = TracedStack(
            plan=Plan(source=Source.SIMULATION, port=free_port()),
            directory=Path(name),
            report=say,
            clock=clock,
            stop=threading.Event(),
        )
        stack.endpoint = collector.endpoint
        with stack:
            kafka = KafkaSettings(bootstrap_servers=stack.addresses.kafka)
            partitions = KafkaAdmin(kafka).partitions()[RAW]
            say(f"milliseconds: measuring for {seconds} s")
            since_s = clock.now() + WARM_UP_S
            while clock.now() < since_s + seconds:
                stack.check()
                clock.wait(stack.stop, 1.0)
        # Services export what is left when they stop.
        spans = [seen(service, span) for service, span in collector.spans()]
    ways = durations(spans, since_s=since_s, ticks=partitions)
    if len(ways) < LEAST_POLLS:
        raise FatalError(f"only {len(ways)} polls reached the store; measure for longer")
    return ways


def seen(service: str, span: Span) -> Seen:
    """Return an exported span as a value."""
    records = [
        each.value.int_value
        for each in span.attributes
        if each.key == "messaging.batch.message_count"
    ]
    return Seen(
        service=service,
        name=span.name,
        id=span.span_id,
        parent=span.parent_span_id,
        start_s=span.start_time_unix_nano / 1e9,
        end_s=span.end_time_unix_nano / 1e9,
        links=frozenset(link.span_id for link in span.links),
        records=sum(records),
    )


def table(ways: Sequence[Sequence[float]]) -> Section:
    """Return the steps' means, which add up to that of the whole, and percentiles."""
    rows = [
        (*STEPS[number], *_figures(step)) for number, step in enumerate(zip(*ways, strict=True))
    ]
    whole = ("**whole**", "from the answer to the store", *_figures([sum(way) for way in ways]))
    return Section(
        title="steps",
        words=("service", "step"),
        numbers=("mean ms", "p50 ms", "p99 ms"),
        rows=[*rows, whole],
    )


def load() -> str:
    """Return the load of this machine before the measurement."""
    return f"{os.getloadavg()[0]:.1f} in the minute before"


def text(section: Section, about: Mapping[str, str | int], *, polls: int) -> str:
    """Return the page of Markdown."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        machine="\n".join(f"- {name}: {value}" for name, value in about.items()),
        polls=polls,
        steps=report.markdown(section),
    )


def _figures(seconds: Sequence[float]) -> tuple[str, ...]:
    percentiles = quantiles(seconds, n=100, method="inclusive")
    figures_s = (mean(seconds), percentiles[49], percentiles[98])
    return tuple(f"{1000 * figure_s:.1f}" for figure_s in figures_s)


if __name__ == "__main__":
    app()
