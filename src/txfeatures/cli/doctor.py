"""``txfeatures doctor``: what is wrong with an installation, and the next step."""

import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Literal

import typer

from txfeatures.cli.options import AsJson
from txfeatures.cli.packages import needs
from txfeatures.doctor.examination import DEADLINE_S
from txfeatures.doctor.finding import Finding, State
from txfeatures.doctor.view import CHECK_WIDTH, WORD_WIDTH, WORDS, as_json, sentence, summary

needs("boto3", "confluent_kafka", "pyarrow")

COLOURS: dict[State, str] = {
    "ok": "green", "warning": "yellow", "failure": "red", "skipped": "bright_black"
}  # fmt: skip


def doctor(
    *,
    only: Annotated[
        Literal["kafka", "aws"] | None, typer.Option(help="Examine only this side.")
    ] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write", help="Also store an object under doctor/ in the bucket and delete it again."
        ),
    ] = False,
    doubts: Annotated[
        bool,
        typer.Option(
            "--doubts",
            help="Also settle doubts about AWS with a feature group that is made and deleted.",
        ),
    ] = False,
    deadline: Annotated[
        float, typer.Option(min=1, help="Most seconds for one check.", metavar="SECONDS")
    ] = DEADLINE_S,
    as_json_lines: AsJson = False,
) -> None:
    """Examine settings, Kafka and AWS; name each fault with the next step.

    Safe in production: it writes nothing unless --write or --doubts is given, and never where
    rows or transactions live. Kafka remembers the transactional id txfeatures-doctor for a week.
    """
    from txfeatures.doctor.diagnosis import Extent, diagnose
    from txfeatures.process.metrics import Metrics
    from txfeatures.process.runtime import Runtime

    runtime = Runtime(metrics=Metrics("doctor"))
    extent = Extent(
        sides=frozenset({"kafka", "aws"} if only is None else {only}),
        writes=write,
        settles=doubts,
        deadline_s=deadline,
    )
    findings: list[Finding] = []
    with _silence(), closing(diagnose(extent, runtime)) as examination:
        for finding in examination:
            if as_json_lines:
                typer.echo(as_json(finding))
            else:
                _print(finding, is_first=all(f.subject != finding.subject for f in findings))
            findings.append(finding)
    if not as_json_lines:
        typer.echo(f"\n{summary(findings)}")
    if any(finding.state == "failure" for finding in findings):
        raise typer.Exit(1)


@contextmanager
def _silence() -> Iterator[None]:
    """Leave out the log: a fault is a finding, and clients would report each attempt."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _print(finding: Finding, *, is_first: bool) -> None:
    if is_first:
        typer.echo(f"\n{finding.subject}")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    # Without a terminal the colours are left out.
    word = typer.style(f"{WORDS[finding.state]:<{WORD_WIDTH}}", fg=COLOURS[finding.state])
    typer.echo(f"  {word}{finding.check:<{CHECK_WIDTH}}{sentence(finding, width)}")
