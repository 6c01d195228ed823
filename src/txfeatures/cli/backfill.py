"""``txfeatures backfill``: rows of past minutes, recomputed and written where they are missing."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from txfeatures.cli.options import ARCHIVE, OFFLINE_STORE, AsJson, End, Start
from txfeatures.cli.packages import needs
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import minute_name
from txfeatures.history.rules import load_rules
from txfeatures.process.runtime import stop_on_signals

if TYPE_CHECKING:
    from txfeatures.cli.history import Workspace
    from txfeatures.history.backfill import Sink

needs("boto3", "duckdb", "pyarrow")


def backfill(
    *,
    source: Annotated[
        str, typer.Option("--from", help="archive, or the path of a recording.")
    ] = ARCHIVE,
    to: Annotated[
        str, typer.Option(help="offline-store, or the path of a file to write, X.parquet.")
    ] = OFFLINE_STORE,
    start: Start = None,
    end: End = None,
    dry_run: Annotated[
        bool, typer.Option(help="Only count the rows that would be written.")
    ] = False,
    rows_per_s: Annotated[
        float, typer.Option(min=0.1, max=10_000, help="Most rows written per second.")
    ] = 100.0,
    state: Annotated[
        Path, typer.Option(help="File that keeps the progress towards the offline store.")
    ] = Path("txfeatures-backfill.json"),
    as_json: AsJson = False,
) -> None:
    """Recompute past minutes and write the rows that are missing or differ; resumable."""
    from txfeatures.cli.history import choose_span, workspace
    from txfeatures.cli.progress import progress_bar
    from txfeatures.history.backfill import CheckpointFile
    from txfeatures.history.backfill import backfill as fill
    from txfeatures.history.sinks import ParquetSink

    with workspace() as work:
        opened = work.source(source)
        span = choose_span(start, end, opened.span)
        job = f"{source} to {to}"
        if to == OFFLINE_STORE:
            job += f" {work.settings.feature_group}"
        job += f", {minute_name(span.start_s)} to {minute_name(span.end_s)}"
        sink = _sink(to, work, rows_per_s=rows_per_s)
        if isinstance(sink, ParquetSink):
            state = sink.parts / "progress.json"
        with progress_bar("backfill", "minutes") as progress:
            outcome = fill(
                work.connection,
                opened,
                sink,
                span,
                rules=load_rules(),
                declaration=work.declaration,
                checkpoint=None if dry_run else CheckpointFile(path=state, job=job),
                progress=progress,
            )
    if as_json:
        counts = {name: getattr(outcome, name) for name in ("rows", "minutes", "withheld")}
        typer.echo(json.dumps({"job": job, "dry_run": dry_run, **counts}))
        return
    done = "would be written" if dry_run else "written"
    typer.echo(f"{job}: {outcome.rows:,} rows {done} for {outcome.minutes:,} minutes")
    if outcome.withheld:
        typer.echo(f"{outcome.withheld:,} minutes were left out: a total needs more than 64 bits")


def _sink(to: str, work: "Workspace", *, rows_per_s: float) -> "Sink":
    from txfeatures.feature_store.writer import FeatureGroupWriter
    from txfeatures.history.sinks import OfflineSink, ParquetSink
    from txfeatures.process import aws

    if to == OFFLINE_STORE:
        stop_on_signals(work.retries.stop)
        settings = work.settings
        return OfflineSink(
            writer=FeatureGroupWriter(aws.feature_store(settings), settings.feature_group),
            table_format=settings.table_format,
            store=work.offline_store(),
            directory=work.directory / "offline",
            retries=work.retries,
            rows_per_s=rows_per_s,
        )
    if Path(to).suffix != ".parquet":
        raise FatalError(f"--to is {OFFLINE_STORE} or a file that ends in .parquet, not {to}")
    return ParquetSink(path=Path(to), features=work.declaration.features)
