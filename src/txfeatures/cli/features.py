"""``txfeatures features``: list the declared features, check a declaration, try it."""

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from txfeatures.cli.options import AsJson
from txfeatures.cli.packages import needs
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import RECORD_IDENTIFIER, ComputedFeature, Declaration, Feature
from txfeatures.domain.features.schema import schema as json_schema
from txfeatures.process.declared import load_features
from txfeatures.process.settings import FeaturesSettings, load

if TYPE_CHECKING:
    from txfeatures.history.minutes import HistoricRow

features = typer.Typer(
    name="features",
    help="List the declared features, check a declaration, or try it on a recording.",
    invoke_without_command=True,
)

File = Annotated[Path, typer.Argument(help="The file that declares the features.")]


@features.callback()
def main(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the declared features, check a declaration, or try it on a recording."""
    if context.invoked_subcommand is None:
        show(as_json=as_json)


@features.command("list")
def show(
    file: Annotated[
        Path | None,
        typer.Argument(help="The file. Default: TXF_FEATURES_FILE, or the shipped one."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Print the declared features: name, type, unit, meaning."""
    declaration = load_features(load(FeaturesSettings)) if file is None else _read(file)
    if as_json:
        names = ("name", "type", "unit", "description", "error")
        for feature in declaration.features:
            typer.echo(json.dumps({name: getattr(feature, name) for name in names}))
        return
    width = max(len(feature.name) for feature in declaration.features)
    unit = max(13, *(len(feature.unit) for feature in declaration.features))
    for feature in declaration.features:
        typer.echo(
            f"{feature.name:<{width}}  {feature.type:<10}  {feature.unit:<{unit}}  "
            f"{feature.description}"
        )


@features.command()
def check(file: File, *, as_json: AsJson = False) -> None:
    """Check a declaration; print each mistake with its line and column, and exit with 1."""
    declaration = _read(file)
    if as_json:
        names = [feature.name for feature in declaration.computed]
        typer.echo(json.dumps({"features": names, "fingerprint": declaration.fingerprint}))
        return
    typer.echo(
        f"{file}: {len(declaration.computed)} features, {len(declaration.features)} columns, "
        f"fingerprint {declaration.fingerprint}"
    )


@features.command("try")
def try_(
    file: File,
    *,
    on: Annotated[Path, typer.Option(help="The recording: its transactions are counted.")],
    minutes: Annotated[int, typer.Option(min=1, help="Newest minutes that are printed.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Print the rows that a declaration gives on a recording, without any service."""
    declaration = _read(file)
    rows = _rows(declaration, on)[-minutes:]
    if as_json:
        for row in rows:
            typer.echo(msgspec.json.encode(row))
    else:
        typer.echo(_table(declaration.computed, rows))


@features.command()
def schema() -> None:
    """Print the JSON schema of declarations, with which editors complete and check them."""
    typer.echo(json.dumps(json_schema(), indent=2))


def _read(file: Path) -> Declaration:
    """Return the declaration of a file.

    Raises:
        FatalError: There is no such file, or it has mistakes.
    """
    if not file.is_file():
        raise FatalError(
            f"there is no file {file}; `txfeatures features list` lists the shipped one"
        )
    return load_features(FeaturesSettings(file=file))


def _rows(declaration: Declaration, recording: Path) -> "Sequence[HistoricRow]":
    """Return the last row of each minute of a recording, in order."""
    try:
        needs("boto3", "duckdb", "pyarrow")
    except ModuleNotFoundError as error:
        raise FatalError(
            f"{error.name} is not installed; install txfeatures[history] to try declarations"
        ) from error
    from txfeatures.history.engine import engine
    from txfeatures.history.minutes import rows_of
    from txfeatures.history.rules import load_rules
    from txfeatures.history.sources import RecordingSource, read_minutes

    with TemporaryDirectory(prefix="txfeatures-try-") as name:
        source = RecordingSource(path=recording, directory=Path(name))
        span = source.span()
        if span is None:
            raise FatalError(f"{recording} holds no transactions; name another recording")
        with engine(Path(name)) as connection:
            found = read_minutes(
                connection, source, span, rules=load_rules(), declaration=declaration
            )
            return list(rows_of(found.last.order(RECORD_IDENTIFIER)))


def _table(computed: "Sequence[ComputedFeature]", rows: "Sequence[HistoricRow]") -> str:
    """Return a line for each feature with a column for each minute."""
    minutes = [str(row[RECORD_IDENTIFIER])[11:16] for row in rows]
    lines = [["feature", *minutes, "unit"]]
    lines += [[f.name, *(_cell(f, row) for row in rows), f.unit] for f in computed]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:-1], strict=True)),
                line[-1],
            ]
        ).rstrip()
        for line in lines
    )


def _cell(feature: Feature, row: "HistoricRow") -> str:
    value = row.get(feature.name)
    if value is None:
        return "null"
    return f"{value:,.4f}" if isinstance(value, float) else f"{value:,}"
