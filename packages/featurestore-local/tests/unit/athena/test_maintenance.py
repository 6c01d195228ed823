from typing import Any

import pytest

from featurestore_local.athena import maintenance
from featurestore_local.athena.engine import Query
from featurestore_local.athena.errors import QueryError
from featurestore_local.athena.maintenance import Maintenance, is_maintenance
from featurestore_local.athena.results import rows_of
from featurestore_local.clock import SystemClock
from featurestore_local.model import OfflineSettings
from featurestore_local.values import FeatureType

OPTIMIZE = "OPTIMIZE t REWRITE DATA USING BIN_PACK"


@pytest.fixture
def ice(lake: Any, make_group: Any) -> Any:
    """The lake with an Iceberg table of two days, three objects each."""
    group = make_group(
        record_identifier="n",
        event_time="day",
        features={
            "n": FeatureType.INTEGRAL,
            "day": FeatureType.STRING,
            "later": FeatureType.STRING,
        },
        offline=OfflineSettings(
            s3_uri="s3://lake",
            resolved_s3_uri="s3://lake/t/data",
            table_format="Iceberg",
            catalog=("AwsDataCatalog", "db", "t"),
        ),
    )
    lake.clock.advance(SystemClock().now() - lake.clock.now())
    lake.iceberg.put(group)
    for number in range(6):
        day = f"2023-11-{10 + number % 2}"
        key = f"t/data/abc/day_trunc={day}/2023111{number}T000000Z_x.parquet"
        row = {"n": number, "day": f"{day}T00:00:00Z"} | ({"later": "x"} if number >= 3 else {})
        lake.iceberg.append("db", "t", [lake.put(key, [row])])
    lake.put("t/data/abc/orphan/x.parquet", [{"n": 99}])
    return lake


@pytest.fixture
def run(ice: Any) -> Any:
    tended = Maintenance(ice.objects, lambda: ice.iceberg, ice.tables)
    return lambda sql: tended.run(sql, database="db")


def rows(lake: Any) -> list[list[str | None]]:
    query = Query(lake.tables, directory=str(lake.directory), database="db")
    return rows_of(query.run("SELECT n, later FROM t ORDER BY n", ()).body)[1:]


def keys(lake: Any) -> list[str]:
    found = lake.s3.list_objects_v2(Bucket="lake", Prefix="t/data/")["Contents"]
    return [each["Key"] for each in found]


def test_optimize_leaves_one_object_a_day_to_read_and_changes_no_row(ice: Any, run: Any) -> None:
    before = rows(ice)
    assert [row[0] for row in before] == ["0", "1", "2", "3", "4", "5"]
    run(OPTIMIZE)
    live = ice.iceberg.data_files("db", "t")
    assert sorted(file.partition[0] for file in live) == ["2023-11-10", "2023-11-11"]
    assert rows(ice) == before
    assert len(keys(ice)) == 9  # the old snapshots can still be read


def test_optimize_asks_to_be_run_again_until_done(
    ice: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(ice)
    monkeypatch.setattr(maintenance, "MAX_PARTITIONS_PER_RUN", 1)
    with pytest.raises(QueryError, match="ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED"):
        run(OPTIMIZE)
    run(OPTIMIZE)
    run(OPTIMIZE)
    assert rows(ice) == before


def test_vacuum_deletes_what_no_snapshot_that_is_kept_reads(ice: Any, run: Any) -> None:
    run('OPTIMIZE "db"."t" REWRITE DATA USING BIN_PACK;')
    before = rows(ice)
    run("VACUUM t")
    assert len(keys(ice)) == 9  # all too young
    ice.clock.advance(5 * 86_400 + 3600)  # snapshots bear the time of the machine
    run("vacuum awsdatacatalog.db.t")
    assert len(keys(ice)) == 3  # one a day, and what never was a part of the table
    assert rows(ice) == before


def test_properties_say_how_old_is_old(ice: Any, run: Any) -> None:
    run(OPTIMIZE)
    run("ALTER TABLE t SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds' = '60', 'a' = 'b')")
    ice.clock.advance(3600)
    run("VACUUM t")
    assert len(keys(ice)) == 3
    run("ALTER TABLE t SET TBLPROPERTIES ('c' = 'd')")
    parameters = ice.glue.get_table(DatabaseName="db", Name="t")["Table"]["Parameters"]
    assert (parameters["a"], parameters["c"]) == ("b", "d")


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("OPTIMIZE t REWRITE DATA USING BIN_PACK WHERE n = 1", "NOT_SUPPORTED"),
        ("VACUUM nothing", "TABLE_NOT_FOUND"),
        ("VACUUM hive.db.t", "CATALOG_NOT_FOUND"),
        ("VACUUM plain", "not an Iceberg table"),
        ("ALTER TABLE t SET TBLPROPERTIES (a = b)", "SYNTAX_ERROR"),
    ],
)
def test_what_can_not_be_done_is_said(ice: Any, run: Any, sql: str, complaint: str) -> None:
    ice.table("plain")
    with pytest.raises(QueryError, match=complaint):
        run(sql)


def test_maintenance_is_told_from_queries() -> None:
    assert is_maintenance("  vacuum t")
    assert not is_maintenance("SELECT 'vacuum'")
