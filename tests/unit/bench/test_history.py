from pathlib import Path

import duckdb

from bench.history import PLAIN, make_archive, measure
from txfeatures.domain.rules import Rules
from txfeatures.history.engine import engine
from txfeatures.history.minutes import Minutes
from txfeatures.history.sources import FileSource, open_records
from txfeatures.process.clock import SystemClock

ROWS = 20_000


def test_both_sides_of_the_comparison_count_the_same(tmp_path: Path) -> None:
    files, span = make_archive(tmp_path, ROWS, per_s=10)
    names = [str(file) for file in files]
    plain = duckdb.execute(PLAIN.format(files=names)).fetchall()
    with engine(tmp_path) as connection:
        open_records(connection, FileSource(paths=files, whole=span), span, Rules())
        Minutes(connection, rules=Rules(), span=span, is_complete=True)
        found = connection.execute(
            "SELECT minute_s, total_nb_trx_1min, total_fee_1min FROM last "
            "WHERE total_nb_trx_1min > 0"
        ).fetchall()
        late = connection.execute("SELECT sum(nb_late_trx_1min) FROM last").fetchall()[0][0]
    assert sorted(found) == sorted((minute, count, fee) for minute, count, fee in plain)
    assert sum(count for _, count, _ in found) == ROWS
    assert late > 0


def test_a_run_gives_the_speed_of_both_and_their_ratio(tmp_path: Path) -> None:
    files, span = make_archive(tmp_path, ROWS, per_s=10)
    speed = measure(files, span, rounds=1, clock=SystemClock())
    assert speed.transactions == ROWS
    assert speed.ratio == speed.product_per_s / speed.plain_per_s
