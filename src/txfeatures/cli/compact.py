"""``txfeatures compact``: merge small objects of the archive and the offline store."""

import json
import os
import socket
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures.cli.options import AsJson, epoch_s
from txfeatures.cli.packages import needs
from txfeatures.domain.errors import FatalError
from txfeatures.process.logs import configure_logging
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, stop_on_signals
from txfeatures.process.settings import AwsSettings, Group, LogSettings, load

if TYPE_CHECKING:
    from txfeatures.compaction.archive import CompactionReport

needs("boto3", "pyarrow")

COUNTS = ("merged", "bytes", "made", "deleted", "kept")
MIB = 1024 * 1024
MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]

Moment = datetime | None


class CompactSettings(Group):
    """Settings of compaction; the rest are options of the command."""

    model_config = SettingsConfigDict(env_prefix="TXF_COMPACT_")

    aws: AwsSettings = Field(default_factory=AwsSettings, description="See TXF_AWS_*.")
    log: LogSettings = Field(default_factory=LogSettings, description="See TXF_LOG_*.")


def compact(
    start: Annotated[
        Moment, typer.Option(formats=MOMENTS, metavar="TIME", help="First hour of feed time (UTC).")
    ] = None,
    end: Annotated[
        Moment,
        typer.Option(
            formats=MOMENTS, metavar="TIME", help="Moment before which hours begin (UTC)."
        ),
    ] = None,
    target_mib: Annotated[
        int, typer.Option(min=1, max=4096, help="Largest object to create, MiB.")
    ] = 256,
    grace_s: Annotated[
        float,
        typer.Option(min=0, help="Seconds for which replaced objects are kept for readers."),
    ] = 3600.0,
    only: Annotated[
        Literal["archive", "offline-store"] | None, typer.Option(help="Compact only this store.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report the work without doing it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compact the archive, and the offline store if it is an Iceberg table.

    Safe to run beside all services and readers, and to kill, at any time.
    """
    from txfeatures.archive.bucket import S3Bucket
    from txfeatures.cli.progress import progress_bar
    from txfeatures.compaction.archive import compact_archive
    from txfeatures.compaction.offline_store import compact_offline_store
    from txfeatures.compaction.shelf import CompactionPolicy
    from txfeatures.feature_store.retries import Retries
    from txfeatures.process import aws

    settings = load(CompactSettings)
    aws.require_credentials(settings.aws)
    configure_logging(settings.log, service="compact")
    runtime = Runtime(metrics=Metrics("compact"))
    stop_on_signals(runtime.stop)
    retries = Retries(clock=runtime.clock, stop=runtime.stop)
    report: CompactionReport | None = None
    if only != "offline-store":
        with progress_bar("compacting", "shelves") as progress:
            report = compact_archive(
                S3Bucket(retries.attach(aws.s3(settings.aws)), settings.aws.bucket),
                CompactionPolicy(target_bytes=target_mib * MIB, grace_s=grace_s),
                runtime=runtime,
                owner=f"process {os.getpid()} on {socket.gethostname()}",
                start_s=None if start is None else epoch_s(start),
                end_s=None if end is None else epoch_s(end),
                is_dry_run=dry_run,
                progress=progress,
            )
        if as_json:
            counts = {name: getattr(report.counts, name) for name in COUNTS}
            typer.echo(json.dumps({"store": "archive", "dry_run": dry_run, **counts}))
        else:
            typer.echo(f"archive: {_summary(report, is_dry_run=dry_run)}")
    if only != "archive" and not runtime.stop.is_set():
        say = _say_json if as_json else typer.echo
        compact_offline_store(settings.aws, runtime=runtime, say=say, is_dry_run=dry_run)
    if report and report.failures:
        raise FatalError(
            f"{len(report.failures)} of {report.shelves} shelves were left as they are; "
            f"the first: {report.failures[0]}"
        )
    if runtime.stop.is_set():
        raise FatalError("stopped before the end; run it again to continue")


def _say_json(sentence: str) -> None:
    typer.echo(json.dumps({"store": "offline-store", "message": sentence}))


def _summary(report: "CompactionReport", *, is_dry_run: bool) -> str:
    counts = report.counts
    would = "would be " if is_dry_run else ""
    return (
        f"{counts.merged} objects ({counts.bytes / MIB:.1f} MiB) {would}made into {counts.made}; "
        f"{counts.deleted} dead ones {would}deleted, {counts.kept} kept for their readers"
    )
