"""Speed of the recomputation of minutes from the archive: ``python -m bench.history``.

A plain DuckDB query and the product read the same Parquet files in one run. The query drops
repeats by hash and counts and sums per minute; the product also judges lateness, closes
minutes and computes every declared feature. The promise is half the speed of the query.
"""

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import duckdb
import typer

from txfeatures.domain.features import default
from txfeatures.domain.rules import Rules
from txfeatures.history.engine import engine
from txfeatures.history.sources import FileSource, read_minutes
from txfeatures.history.span import Span
from txfeatures.process.clock import Clock, SystemClock

PROMISE = 0.5
START_S = 1_729_296_000
PARTITIONS = 4
ROWS_A_FILE = 250_000

PLAIN = """
SELECT time // 60 * 60 AS minute_s, count(*), sum(fee)
FROM (SELECT hash, any_value(time) AS time, any_value(fee) AS fee
      FROM read_parquet({files}) GROUP BY hash)
GROUP BY minute_s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """The result of a run; transactions per second are the median of the rounds."""

    transactions: int
    plain_per_s: float
    product_per_s: float

    @property
    def ratio(self) -> float:
        """The speed of the product divided by that of the plain query."""
        return self.product_per_s / self.plain_per_s


def make_archive(directory: Path, rows: int, *, per_s: int) -> tuple[list[Path], Span]:
    """Write ``rows`` transactions in the schema of the archive, without their JSON.

    Each hash occurs once, as after dedup; one transaction in ten thousand is up to ten minutes old.
    """
    files = []
    with engine(directory) as connection:
        for partition in range(PARTITIONS):
            for first in range(0, rows // PARTITIONS, ROWS_A_FILE):
                last = min(first + ROWS_A_FILE, rows // PARTITIONS)
                path = directory / f"{partition}-{first:012d}.parquet"
                connection.execute(_SYNTHETIC.format(
                    partition=partition, partitions=PARTITIONS, first=first, last=last,
                    start_s=START_S, per_s=per_s, path=path,
                ))  # fmt: skip
                files.append(path)
    seconds = rows // per_s + 1
    return files, Span(start_s=START_S - 600, end_s=START_S + seconds // 60 * 60 + 60)


_SYNTHETIC = """
COPY (
    SELECT sha256(concat('{partition}/', n)) AS hash,
        feed_s - (CASE WHEN n % 10000 = 50 THEN hash(n) % 600 ELSE hash(n) % 3 END)::BIGINT AS time,
        (hash(n + 1) % 100000)::BIGINT AS fee,
        (hash(n + 2) % 1000 + 200)::BIGINT AS size,
        (hash(n + 2) % 1000 + 200)::BIGINT * 3 AS weight,
        n % 2 = 0 AS rbf, 1::BIGINT AS vin_sz, 2::BIGINT AS vout_sz,
        (hash(n + 3) % 1000000000)::BIGINT AS output_value,
        {partition}::INTEGER AS topic_partition,
        n + n // 4 AS topic_offset,
        feed_s * 1000 + 63 AS feed_time_ms
    FROM (SELECT range AS n, {start_s} + range * {partitions} // {per_s} AS feed_s
          FROM range({first}, {last}))
) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""


def measure(files: list[Path], span: Span, *, rounds: int, clock: Clock) -> Speed:
    """Run the query and the product in turn, ``rounds`` times each."""
    plain, product = [], []
    names = [str(file) for file in files]
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(rounds):
            with engine(Path(directory), memory="4GB") as connection:
                started_s = clock.monotonic()
                connection.execute(PLAIN.format(files=names)).fetchall()
                plain.append(clock.monotonic() - started_s)
            with engine(Path(directory), memory="4GB") as connection:
                started_s = clock.monotonic()
                source = FileSource(paths=files, whole=span)
                read_minutes(
                    connection, source, span, rules=Rules(), declaration=default()
                ).revisions.fetchall()
                product.append(clock.monotonic() - started_s)
    count = duckdb.connect().read_parquet(names).count("*").fetchall()[0][0]
    return Speed(
        transactions=count,
        plain_per_s=count / median(plain),
        product_per_s=count / median(product),
    )


def bench(
    *,
    rows: Annotated[int, typer.Option(min=10_000, help="Transactions in the archive.")] = 5_000_000,
    per_s: Annotated[int, typer.Option(min=1, help="Transactions per second of feed time.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 3,
    out: Annotated[Path | None, typer.Option("--json", help="File for the results.")] = None,
) -> None:
    """Measure the engine of backfill against a plain DuckDB query."""
    with tempfile.TemporaryDirectory() as directory:
        files, span = make_archive(Path(directory), rows, per_s=per_s)
        speed = measure(files, span, rounds=rounds, clock=SystemClock())
    typer.echo(f"plain DuckDB query  {speed.plain_per_s:12,.0f} transactions/s")
    typer.echo(f"txfeatures backfill {speed.product_per_s:12,.0f} transactions/s")
    typer.echo(f"ratio {speed.ratio:.2f}, promised {PROMISE}")
    if out:
        out.write_text(json.dumps(asdict(speed) | {"ratio": speed.ratio}), encoding="utf-8")


if __name__ == "__main__":
    typer.run(bench)
