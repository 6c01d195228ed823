"""``txfeatures cost``: the monthly bill of a deployment on AWS."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from txfeatures.cli.options import AsJson
from txfeatures.cost.estimate import Estimate, Kind, Load, estimate
from txfeatures.cost.rates import Rates, load
from txfeatures.domain.rules import DedupRules
from txfeatures.domain.topics import DAY_H, RAW, TOPICS

RETENTION_DAYS = next(t.retention_h or 0 for t in TOPICS if t.name == RAW) / DAY_H
REMEMBERED_DAYS = DedupRules().remember_s / 86_400
POLLS, PARTITIONS, ARCHIVE_MONTHS = 1.0, 4, 12.0

KINDS: tuple[Kind, ...] = ("lean", "standard", "serverless")
SEED_USD = 850.0
"""The bill of the serverless demo that this project replaces."""


def cost(
    *,
    rate: Annotated[float, typer.Option(min=0.1, help="Transactions per second.")] = 7.0,
    kind: Annotated[
        Literal["all", "lean", "standard", "serverless"],
        typer.Option(help="lean has two zones, standard three, serverless MSK Serverless."),
    ] = "all",
    polls: Annotated[float, typer.Option(min=0.0, help="Polls of the source per second.")] = POLLS,
    retention_days: Annotated[
        float, typer.Option(min=0.1, help="Days that Kafka keeps transactions.")
    ] = RETENTION_DAYS,
    remembered_days: Annotated[
        float, typer.Option(min=0.1, help="Days that dedup remembers a hash.")
    ] = REMEMBERED_DAYS,
    partitions: Annotated[
        int, typer.Option(min=1, help="Partitions of each topic that scales.")
    ] = PARTITIONS,
    archive_months: Annotated[
        float, typer.Option(min=0.0, help="Months of archive in the bucket.")
    ] = ARCHIVE_MONTHS,
    rates: Annotated[
        Path | None, typer.Option(help="Rate file to use instead of the shipped one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what a deployment costs in a month, line by line."""
    found = load(rates)
    asked = Load(
        rate=rate,
        polls=polls,
        partitions=partitions,
        retention_h=retention_days * DAY_H,
        remembered_h=remembered_days * DAY_H,
        archive_months=archive_months,
    )
    kinds = KINDS if kind == "all" else (kind,)
    bills = [estimate(one, asked, found) for one in kinds]
    if as_json:
        for bill in bills:
            typer.echo(json.dumps(_as_json(bill, found)))
        return
    for bill in bills:
        typer.echo("\n".join([*table(bill), ""]))
    typer.echo("\n".join(notes(found)))


def typical_load(rate: float) -> Load:
    """Return a load of ``rate`` transactions a second, otherwise by the defaults."""
    return Load(
        rate=rate,
        polls=POLLS,
        partitions=PARTITIONS,
        retention_h=RETENTION_DAYS * DAY_H,
        remembered_h=REMEMBERED_DAYS * DAY_H,
        archive_months=ARCHIVE_MONTHS,
    )


def table(bill: Estimate) -> list[str]:
    """Return the lines of a bill; unchecked rates are marked."""
    heading = f"{bill.kind}, {bill.load.rate:g} transactions a second"
    total = f"{bill.usd:,.2f}"
    return [
        heading,
        *(
            f"  {line.item:<28}{line.quantity:>34}{line.usd:>12,.2f}"
            + ("" if line.is_looked_up else " *")
            for line in bill.lines
        ),
        f"  {'total':<28}{'':>34}{total:>12}   {bill.usd / SEED_USD:.0%} of {SEED_USD:.0f}",
    ]


def notes(rates: Rates) -> list[str]:
    """Return what a reader must know of the rates."""
    return [
        f"{rates.currency} per month of 730 h, {rates.region}, on demand, without tax; rates of "
        f"{rates.date}.",
        "* This rate was not compared with AWS's price list; correct a copy of rates.toml and pass "
        "it with --rates.",
    ]


def _as_json(bill: Estimate, rates: Rates) -> dict[str, object]:
    return {
        "kind": bill.kind,
        "rate": bill.load.rate,
        "usd": round(bill.usd, 2),
        "region": rates.region,
        "date": rates.date,
        "lines": [
            {
                "item": line.item,
                "quantity": line.quantity,
                "usd": round(line.usd, 2),
                "is_looked_up": line.is_looked_up,
            }
            for line in bill.lines
        ],
    }
