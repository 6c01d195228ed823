"""The log of ``deduped`` in DuckDB: each record once, with its exceptions.

The bulk stays in the engine. Records that can't be read or have come before are found by a
64-bit hash of the transaction's hash, and only those that it singles out are compared in full;
the order of each partition's log is judged by `late`.
"""

# ruff: noqa: S608 - nothing of the SQL comes from outside of the program

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from txfeatures.domain.features import READABLE_SQL
from txfeatures.domain.rules import Rules
from txfeatures.history.late import Judged, judge, without


def open_log(
    connection: duckdb.DuckDBPyConnection, records: duckdb.DuckDBPyRelation, rules: Rules
) -> None:
    """Make the relations that `minutes` is computed from.

    - ``records``: as given; ``log``: each record of them once;
    - ``exceptions``: the records that came after their minute was closed (``late_ms``: the
      feed's clock at that moment), or that don't count. All others count, on time;
    - ``closings``: when each partition closes the minutes up to ``closed_s``.
    """
    records.create_view("records", replace=True)
    log = _Log(connection, rules)
    log.drop_repeats()
    log.judge()


class _Log:
    def __init__(self, connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
        self._db = connection
        self._rules = rules

    def drop_repeats(self) -> None:
        """Make ``log``, and ``exceptions`` with the records that dedup drops or can't read."""
        self._run(
            f"""CREATE OR REPLACE TEMP VIEW log AS SELECT * FROM records;
            CREATE OR REPLACE TEMP TABLE exceptions
            (topic_partition INTEGER, topic_offset BIGINT, counts BOOLEAN, late_ms BIGINT);
            CREATE OR REPLACE TEMP TABLE dropped(topic_partition INTEGER, topic_offset BIGINT);
            CREATE OR REPLACE TEMP TABLE odd AS
            SELECT key FROM (SELECT CASE WHEN {READABLE_SQL} THEN hash(hash) END AS key
                             FROM records)
            GROUP BY key HAVING key IS NULL OR count(*) > 1"""
        )
        if self._count("SELECT count(*) FROM odd WHERE key IS NULL"):
            self._run(
                f"""INSERT INTO exceptions
                SELECT topic_partition, topic_offset, false, NULL FROM log
                WHERE NOT {READABLE_SQL}"""
            )
        if self._count("SELECT count(*) FROM odd WHERE key IS NOT NULL"):
            self._sight()
            if self._count(
                "SELECT count(*) - count(DISTINCT (topic_partition, topic_offset)) FROM sightings"
            ):
                self._run(
                    """CREATE OR REPLACE TEMP TABLE once AS
                    SELECT DISTINCT ON (topic_partition, topic_offset) * FROM records;
                    CREATE OR REPLACE TEMP VIEW log AS SELECT * FROM once"""
                )
                self._sight()
            self._run(
                f"""INSERT INTO dropped SELECT topic_partition, topic_offset FROM sightings
                WHERE after_ms < {self._rules.remember_s * 1000};
                INSERT INTO exceptions SELECT *, false, NULL FROM dropped"""
            )

    def _sight(self) -> None:
        """Make ``sightings`` of hashes that came more than once, with the time since the last."""
        self._run(
            f"""CREATE OR REPLACE TEMP TABLE sightings AS
            SELECT topic_partition, topic_offset,
                feed_time_ms - lag(feed_time_ms) OVER (
                    PARTITION BY hash ORDER BY feed_time_ms, topic_partition, topic_offset
                ) AS after_ms
            FROM log WHERE hash(hash) IN (SELECT key FROM odd) AND {READABLE_SQL}"""
        )

    def judge(self) -> None:
        """Make ``closings`` of the order of the log, and add to ``exceptions``."""
        self._run(
            """CREATE OR REPLACE TEMP TABLE closings
            (topic_partition INTEGER, closed_s BIGINT, from_s BIGINT, is_idle BOOLEAN)"""
        )
        place = "SELECT topic_partition, topic_offset"
        log = self._db.sql(f"{place}, feed_time_ms, time FROM log").to_arrow_table()
        dropped = self._db.sql(f"{place} FROM dropped").to_arrow_table()
        unread = self._db.sql(f"{place} FROM exceptions").to_arrow_table()
        for partition in sorted(pc.unique(log["topic_partition"]).to_pylist()):
            received = without(
                _of(log, partition),
                dropped=_of(dropped, partition)["topic_offset"],
                unread=_of(unread, partition)["topic_offset"],
            )
            if len(received):
                self._keep(partition, judge(received, self._rules))

    def _keep(self, partition: int, judged: Judged) -> None:
        for name, found in (("exceptions", judged.exceptions), ("closings", judged.closings)):
            self._db.register("found", found)
            self._run(f"INSERT INTO {name} SELECT {partition}, * FROM found")
            self._db.unregister("found")

    def _run(self, sql: str) -> None:
        self._db.execute(sql)

    def _count(self, sql: str) -> int:
        count: int = self._db.execute(sql).fetchall()[0][0]
        return count


def _of(rows: pa.Table, partition: int) -> pa.Table:
    return rows.filter(pc.equal(rows["topic_partition"], partition))
