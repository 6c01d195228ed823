"""``txfeatures audit``: a comparison of both stores with the archive."""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from txfeatures.cli.options import End, Start
from txfeatures.cli.packages import needs
from txfeatures.domain.features import minute_name
from txfeatures.history.rules import load_rules
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import KafkaSettings, load

if TYPE_CHECKING:
    from txfeatures.history.audit import Report
    from txfeatures.history.ledger import Stage

needs("boto3", "confluent_kafka", "duckdb", "pyarrow")

SHOWN = 50
"""Findings in the table; ``--json`` has all."""


def audit(
    *,
    start: Start = None,
    end: End = None,
    complete: Annotated[
        bool, typer.Option(help="The feed has ended: judge the newest minutes too.")
    ] = False,
    kafka: Annotated[
        bool, typer.Option(help="Also account for every record of Kafka's topics.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All findings as JSON.")] = False,
) -> None:
    """Recompute minutes from the archive and compare both stores."""
    from txfeatures.cli.history import choose_span, workspace
    from txfeatures.cli.progress import progress_bar
    from txfeatures.feature_store.online import OnlineStore
    from txfeatures.history.audit import Report, Sources
    from txfeatures.history.audit import audit as compare
    from txfeatures.history.expired import expired
    from txfeatures.history.inspection import Inspection
    from txfeatures.history.ledger import ledger
    from txfeatures.kafka.admin import KafkaAdmin
    from txfeatures.process import aws

    with workspace() as work:
        inspection = Inspection(s3=work.s3)
        archive = work.archive(is_complete=complete, acquire=inspection.acquire)
        span = choose_span(start, end, archive.span)
        sources = Sources(
            archive=archive,
            inspection=inspection,
            offline=work.offline_store(),
            online=OnlineStore(
                aws.feature_store(work.settings),
                work.settings.feature_group,
                retries=work.retries,
            ),
        )
        report = Report(start=minute_name(span.start_s), end=minute_name(span.end_s))
        with progress_bar("audit", "minutes") as progress:
            compare(
                work.connection,
                sources,
                span,
                rules=load_rules(),
                declaration=work.declaration,
                directory=work.directory / "offline",
                report=report,
                progress=progress,
            )
        if kafka:
            settings = load(KafkaSettings)
            report.stages = ledger(settings, clock=SystemClock())
            with closing(KafkaAdmin(settings)) as admin:
                report.findings += expired(admin)
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        _show(report, Console())
    raise typer.Exit(0 if report.is_clean else 1)


def _show(report: "Report", console: Console) -> None:
    if report.findings:
        table = Table("minute", "where", "finding", "what", title="Findings")
        for finding in report.findings[:SHOWN]:
            values = "; ".join(
                f"{name}: {wanted} expected, {found} found"
                for name, (wanted, found) in finding.values.items()
            )
            detail = "\n".join(filter(None, (finding.detail, values)))
            table.add_row(finding.minute or "-", finding.where, finding.kind, detail)
        console.print(table)
    if len(report.findings) > SHOWN:
        console.print(f"{len(report.findings) - SHOWN:,} more; --json has all")
    if report.stages:
        console.print(_ledger_table(report.stages))
    for feature, rows in report.lacking.items():
        console.print(
            f"{rows:,} rows lack {feature}: written before it was declared; "
            "`txfeatures backfill` adds it"
        )
    console.print(
        f"{report.start} to {report.end}: {report.minutes:,} minutes and "
        f"{report.transactions:,} transactions compared, {report.objects:,} archive objects read, "
        f"{report.pending:,} minutes still pending: {len(report.findings):,} findings",
        highlight=False,
    )


def _ledger_table(stages: "Sequence[Stage]") -> Table:
    table = Table(
        "stage", "in", "out", "duplicates", "late", "dead", "missing", "extra", title="Ledger"
    )
    for stage in stages:
        numbers = (
            stage.taken,
            stage.given,
            stage.duplicates,
            stage.late,
            stage.dead,
            stage.missing,
            stage.extra,
        )
        table.add_row(stage.name, *(f"{number:,}" for number in numbers))
    return table
