"""``txfeatures dlq``: dead letters listed, shown, and sent back to their topics."""

import heapq
import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Annotated

import typer

from txfeatures.cli.options import FORMATS, AsJson, epoch_s
from txfeatures.cli.packages import needs
from txfeatures.dead_letters import view
from txfeatures.dead_letters.letter import SOURCES, Filter, Letter
from txfeatures.dead_letters.replay import TRANSACTIONAL_ID, Tally, letters, revivals, send
from txfeatures.domain.errors import FatalError
from txfeatures.domain.model import MILLI
from txfeatures.domain.topics import FEED
from txfeatures.process.clock import SystemClock
from txfeatures.process.declared import load_features
from txfeatures.process.logs import configure_logging
from txfeatures.process.runtime import stop_on_signals
from txfeatures.process.settings import FeaturesSettings, KafkaSettings, LogSettings, load

needs("confluent_kafka")

LONG = 10_000
"""Records that take seconds to read: from here on there is a progress bar."""


def _known(topic: str) -> str:
    if topic not in SOURCES:
        raise typer.BadParameter(f"{topic} is none of {', '.join(SOURCES)}")
    return topic


Topics = Annotated[
    list[str] | None,
    typer.Option(
        "--topic",
        callback=lambda topics: topics and [_known(topic) for topic in topics],
        help="Only this dead letter topic; repeatable.",
    ),
]
Reasons = Annotated[
    list[str] | None, typer.Option("--reason", help="Only this reason; repeatable.")
]
Since = Annotated[
    datetime | None, typer.Option(formats=FORMATS, metavar="TIME", help="First feed time (UTC).")
]
Until = Annotated[
    datetime | None,
    typer.Option(formats=FORMATS, metavar="TIME", help="Feed time after the last (UTC)."),
]
Partition = Annotated[
    int | None, typer.Option(min=0, help="Only this partition of the dead letter topic.")
]
Offset = Annotated[
    int | None, typer.Option(min=0, help="Only this offset; needs --topic and --partition.")
]

dlq = typer.Typer(no_args_is_help=True)


@dlq.callback()
def group() -> None:
    """List, show and replay dead letters."""
    configure_logging(load(LogSettings), service="dlq")
    # A failure is one sentence; the client by itself reports each attempt to connect.
    logging.getLogger("librdkafka").setLevel(logging.CRITICAL)


@dlq.command("list")
def list_letters(
    *,
    topic: Topics = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    partition: Partition = None,
    offset: Offset = None,
    limit: Annotated[int, typer.Option(min=1, help="Most dead letters listed: the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters and count them by reason."""
    wanted = _filter(topic, reason, since, until, partition, offset)
    summary = view.Summary()
    found = _find(load(KafkaSettings), topic, wanted)
    newest = sorted(heapq.nlargest(limit, summary.count(found), key=_age), key=_age)
    if as_json:
        lines = [view.as_json(letter) for letter in newest]
    elif not newest:
        lines = ["There are no such dead letters."]
    else:
        lines = view.table(view.HEADINGS, [view.row(letter) for letter in newest])
        if summary.total > len(newest):
            lines.append(f"The newest {len(newest):,} of {summary.total:,}; --limit lists more.")
        lines += ["", *summary.lines()]
    typer.echo("".join(f"{line}\n" for line in lines), nl=False)


@dlq.command()
def show(
    topic: Annotated[str, typer.Argument(callback=_known, help=f"One of {', '.join(SOURCES)}.")],
    partition: Annotated[int, typer.Argument(min=0, help="Partition of the dead letter topic.")],
    offset: Annotated[int, typer.Argument(min=0, help="Offset in it.")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Only the bytes of the value.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show all headers and the value of one dead letter."""
    wanted = Filter(partition=partition, offset=offset)
    letter = next(_find(load(KafkaSettings), [topic], wanted), None)
    if letter is None:
        raise FatalError(
            f"{topic} has no dead letter in partition {partition} at offset {offset}; "
            "`txfeatures dlq list` shows those there are"
        )
    if raw:
        typer.echo(letter.record.value or b"", nl=False)
    elif as_json:
        typer.echo(view.as_json(letter))
    else:
        typer.echo("\n".join(view.details(letter)))


@dlq.command()
def replay(
    *,
    topic: Topics = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    partition: Partition = None,
    offset: Offset = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most dead letters sent.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=1, help="Most records per second; unlimited by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to the topics they came from, each at most once.

    Those that this release can't read either stay. Safe to kill and to run again at any time.
    """
    from txfeatures.kafka.snapshot import newest_timestamp_ms
    from txfeatures.kafka.transactions import TransactionalSink

    if as_json and not (yes or dry_run):
        raise typer.BadParameter("--json asks no question: it needs --yes or --dry-run")
    wanted = _filter(topic, reason, since, until, partition, offset)
    kafka, clock, stop = load(KafkaSettings), SystemClock(), threading.Event()
    plan, tally = Tally(), Tally()
    features = load_features(load(FeaturesSettings)).features
    revive = partial(revivals, features=features, limit=limit)
    for _ in revive(_find(kafka, topic, wanted), plan, feed_time_ms=None):
        pass
    planned = plan.sent.total()
    is_over = dry_run or not planned
    if as_json and is_over:
        typer.echo(_as_json(plan, dry_run=dry_run))
    elif not as_json:
        typer.echo(plan.sentence("would be sent" if is_over else "to be sent") + ".")
    if is_over:
        return
    if not yes:
        typer.confirm("Send them?", abort=True)
    stop_on_signals(stop)
    feed_time_ms = newest_timestamp_ms(kafka, FEED)
    progress_bar = typer.progressbar(
        length=planned,
        label="replaying",
        file=typer.get_text_stream("stderr"),
        hidden=not sys.stderr.isatty(),
    )
    # The sink comes before the marks are read: no earlier replay can add one after that.
    with closing(TransactionalSink(kafka, transactional_id=TRANSACTIONAL_ID)) as sink:
        revived = revive(_find(kafka, topic, wanted), tally, feed_time_ms=feed_time_ms)
        with progress_bar as bar:
            done = send(
                revived, sink.publish, rate=rate, clock=clock, stop=stop, progress=bar.update
            )
    if stop.is_set():
        raise FatalError(f"stopped after {done:,} records; run it again to continue")
    typer.echo(_as_json(tally, dry_run=False) if as_json else tally.sentence("sent") + ".")


def _as_json(tally: Tally, *, dry_run: bool) -> str:
    counts = {"sent": dict(tally.sent), "unreadable": dict(tally.unreadable)}
    return json.dumps({"dry_run": dry_run, **counts, "replayed_before": tally.replayed})


def _filter(
    topics: list[str] | None,
    reasons: list[str] | None,
    since: datetime | None,
    until: datetime | None,
    partition: int | None,
    offset: int | None,
) -> Filter:
    if offset is not None and (partition is None or len(topics or ()) != 1):
        raise typer.BadParameter("--offset needs one --topic and its --partition")
    return Filter(
        reasons=frozenset(reasons or ()),
        since_ms=_epoch_ms(since),
        until_ms=_epoch_ms(until),
        partition=partition,
        offset=offset,
    )


def _find(kafka: KafkaSettings, topics: list[str] | None, wanted: Filter) -> Iterator[Letter]:
    from txfeatures.kafka.snapshot import Snapshot

    clock = SystemClock()
    for topic in topics or SOURCES:
        snapshot = Snapshot(kafka, topic, partition=wanted.partition, first=wanted.offset or 0)
        with typer.progressbar(
            length=2 * snapshot.size,
            label=f"reading {topic}",
            file=typer.get_text_stream("stderr"),
            hidden=snapshot.size < LONG or not sys.stderr.isatty(),
        ) as bar:
            yield from letters(partial(snapshot.read, clock=clock, progress=bar.update), wanted)


def _epoch_ms(moment: datetime | None) -> int | None:
    return None if moment is None else epoch_s(moment) * MILLI


def _age(letter: Letter) -> tuple[int, str, int, int]:
    record = letter.record
    return record.timestamp_ms, record.topic, record.partition, record.offset
