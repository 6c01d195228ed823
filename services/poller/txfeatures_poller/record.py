"""``txfeatures record``: write the endpoint's transactions into a recording."""

import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from txfeatures.archive.recording import Arrival, RecordingWriter
from txfeatures.domain.errors import FatalError
from txfeatures.domain.wire import decode_or_none
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.runtime import stop_on_signals
from txfeatures.process.settings import load
from txfeatures_poller import logic
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import HttpSource, PollFailedError

_any_json = msgspec.json.Decoder(msgspec.Raw)


def record(
    out: Annotated[Path, typer.Argument(help="The recording; gzipped if it ends in .gz.")],
    *,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="How long to record; until Ctrl-C if not given.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Write the live endpoint's transactions into a recording, each once."""
    if not out.absolute().parent.is_dir():
        raise FatalError(f"there is no folder for {out}; make it first")
    settings = load(Settings)
    clock, stop = SystemClock(), threading.Event()
    stop_on_signals(stop)
    source = HttpSource.from_settings(settings, clock=clock)
    with source, RecordingWriter(out) as writer:
        written = follow(settings, source, writer, clock=clock, stop=stop, seconds=seconds)
    if as_json:
        typer.echo(msgspec.json.encode({"file": str(out), "transactions": written}))
    else:
        typer.echo(f"{written} transactions recorded in {out}")


def follow(
    settings: Settings,
    source: HttpSource,
    writer: RecordingWriter,
    *,
    clock: Clock,
    stop: threading.Event,
    seconds: float | None,
) -> int:
    """Poll and write until ``stop`` or until ``seconds`` have passed; return how many."""
    known = logic.Recent(settings.remembered_transactions)
    end = None if seconds is None else clock.monotonic() + seconds
    written = 0
    while not stop.is_set() and (end is None or clock.monotonic() < end):
        started = clock.monotonic()
        wait_s = settings.interval_s
        try:
            answer = source.fetch()
        except PollFailedError as error:
            typer.echo(f"poll failed ({error.outcome}): {error}", err=True)
            wait_s = max(settings.backoff_first_s, error.retry_after_s or 0.0)
        else:
            largest = settings.kafka.max_record_bytes
            new = logic.select(answer.transactions, known, max_record_bytes=largest).new
            # A recording holds JSON, faulty or not; an element may be none.
            values = [e.value for e in new if decode_or_none(_any_json, e.value or b"") is not None]
            arrived_at = answer.feed_time_ms / 1000
            # Oldest first: the endpoint lists the newest first.
            writer.write(
                Arrival.of(arrived_at=arrived_at, tx=msgspec.Raw(value or b""))
                for value in reversed(values)
            )
            known.update(e.identity for e in new)
            written += len(values)
        clock.wait(stop, wait_s - (clock.monotonic() - started))
    return written
