from pathlib import Path

import duckdb

from bench.history import PLAIN, make_archive, measure
from tests.support.declared import DEFAULT
from txfeatures.domain.features import minute_start_s
from txfeatures.domain.rules import Rules
from txfeatures.history.engine import engine
from txfeatures.history.minutes import rows_of
from txfeatures.history.sources import FileSource, read_minutes
from txfeatures.process.clock import SystemClock

ROWS = 20_000


def test_both_sides_of_the_comparison_count_the_same(tmp_path: Path) -> None:
    files, span = make_archive(tmp_path, ROWS, per_s=10)
    names = [str(file) for file in files]
    plain = duckdb.execute(PLAIN.format(files=names)).fetchall()
    with engine(tmp_path) as connection:
        source = FileSource(paths=files, whole=span)
        rows = list(
            rows_of(read_minutes(connection, source, span, rules=Rules(), declaration=DEFAULT).last)
        )
    found = {
        minute_start_s(str(row["tx_minute"])): (row["total_nb_trx_1min"], row["total_fee_1min"])
        for row in rows
        if row["total_nb_trx_1min"]
    }
    assert found == {minute: (count, fee) for minute, count, fee in plain}
    assert sum(count for _, count, _ in plain) == ROWS
    assert sum(int(row["nb_late_trx_1min"]) for row in rows) > 0


def test_a_run_gives_the_speed_of_both_and_their_ratio(tmp_path: Path) -> None:
    files, span = make_archive(tmp_path, ROWS, per_s=10)
    speed = measure(files, span, rounds=1, clock=SystemClock())
    assert speed.transactions == ROWS
    assert speed.ratio == speed.product_per_s / speed.plain_per_s
