"""``txfeatures dataset``: a training set, as its features were known at a moment."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from txfeatures.cli.options import OFFLINE_STORE, AsJson, End, Moment, Start, epoch_s
from txfeatures.cli.packages import needs
from txfeatures.domain.errors import FatalError
from txfeatures.history.rules import load_rules

if TYPE_CHECKING:
    import pyarrow as pa

needs("boto3", "duckdb", "pyarrow")


def dataset(
    *,
    out: Annotated[Path, typer.Option(help="The file to write: X.parquet or X.csv.")],
    start: Start = None,
    end: End = None,
    known_at: Moment = None,
    source: Annotated[
        str, typer.Option(help="offline-store, archive, or the path of a recording.")
    ] = OFFLINE_STORE,
    complete: Annotated[
        bool, typer.Option(help="The feed has ended: no transaction follows the archived ones.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write one row per minute: its latest revision known at a moment, gaps flagged."""
    from txfeatures.cli.history import choose_span, workspace
    from txfeatures.cli.progress import progress_bar
    from txfeatures.history.dataset import IS_GAP, FromOffline, FromTransactions
    from txfeatures.history.dataset import dataset as make

    if out.suffix not in {".parquet", ".csv"}:
        raise FatalError(f"--out must end in .parquet or .csv, not {out.suffix or out.name}")
    unit = "objects" if source == OFFLINE_STORE else "hours"
    with workspace() as work, progress_bar("dataset", unit) as progress:
        if source == OFFLINE_STORE:
            if start is None or end is None:
                raise FatalError("a training set of the offline store needs --start and --end")
            span = choose_span(start, end, lambda: None)
            origin: FromOffline | FromTransactions = FromOffline(
                store=work.offline_store(),
                directory=work.directory / "offline",
                progress=progress,
            )
        else:
            opened = work.source(source, is_complete=complete, progress=progress)
            span = choose_span(start, end, opened.span)
            origin = FromTransactions(
                source=opened, rules=load_rules(), declaration=work.declaration
            )
        known_at_s = None if known_at is None else float(epoch_s(known_at))
        table = make(work.connection, origin, span, known_at_s=known_at_s)
    _write(table, out)
    gaps = sum(table[IS_GAP].to_pylist())
    if as_json:
        typer.echo(json.dumps({"file": str(out), "minutes": len(table), "gaps": gaps}))
    else:
        typer.echo(f"{out}: {len(table):,} minutes, {gaps:,} of them gaps")


def _write(table: "pa.Table", out: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet as pq

    try:
        if out.suffix == ".csv":
            pyarrow.csv.write_csv(table, out)
        else:
            pq.write_table(table, out, compression="zstd")
    except OSError as error:
        raise FatalError(f"{out} can't be written ({error}); name another file") from error
