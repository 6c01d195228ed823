"""Rows of minutes from archived transactions, in DuckDB.

The bulk stays in the engine and is read once for each question: which rows can't be read
or have come before (by a 64-bit hash of the hash; only what it singles out is compared in
full), what the log's order says (`late`), and the features themselves. What is out of the
ordinary is little and joined to the rest.
"""

# ruff: noqa: S608 - nothing of the SQL comes from outside of the program

from dataclasses import dataclass
from functools import cached_property

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from txfeatures.domain import features
from txfeatures.domain.features import (
    EVENT_TIME,
    FEATURES,
    READABLE_SQL,
    RECORD_IDENTIFIER,
    DerivedFeature,
    FoldedFeature,
    minute_sql,
)
from txfeatures.domain.model import MINUTE_S
from txfeatures.domain.rules import Rules
from txfeatures.history.late import Judged, judge, without

RECORDS = "records"
"""The relation to start from: the archive's columns, ``json`` may be missing."""

COLUMNS = tuple(f.name for f in FEATURES if isinstance(f, FoldedFeature | DerivedFeature))
"""What can be computed again from transactions."""

SETTLED_S = 300
"""The newest so many seconds of the archive may lack objects that are still being filled."""

_NEVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Minutes from ``start_s`` up to before ``end_s``, epoch seconds of whole minutes."""

    start_s: int
    end_s: int

    @property
    def sql(self) -> str:
        """Whether ``minute_s`` lies in it."""
        return f"minute_s >= {self.start_s} AND minute_s < {self.end_s}"


class Minutes:
    """The minutes of a span, recomputed.

    Relations of the connection are the result:

    - ``last``: for each closed minute its last revision: ``minute_s``, ``known_ms`` (the feed's
      clock when it was known), ``nb_late_trx_1min``, and `COLUMNS`;
    - ``revisions`` (by `make_revisions`): the same with every final revision, and ``revision``
      from 1;
    - ``horizon``: one row; the records are all there up to the feed time ``settled_ms``.

    A minute whose total needs more than 64 bits is left out, as the aggregator withholds it.

    Args:
        connection: Its relation ``records`` has the archive's rows of every feed time at which a
            transaction of the span may have come.
        rules: The rules of time.
        span: The minutes that are wanted.
        is_complete: The feed ended with these records: what is still open closes by itself.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, *, rules: Rules, span: Span, is_complete: bool
    ) -> None:
        self._db = connection
        self._rules = rules
        self._span = span
        self._is_complete = is_complete
        self._drop_repeats()
        self._judge()
        self._fold()
        self._close()

    @cached_property
    def withheld(self) -> int:
        """Minutes with a total of more than 64 bits."""
        complete = " AND ".join(f"{name} IS NOT NULL" for name in COLUMNS)
        return self._count(f"SELECT count(*) FROM folded WHERE NOT ({complete})")

    def _drop_repeats(self) -> None:
        """Make ``log``, each record once, and ``exceptions`` with what did not count of it.

        That is what dedup would have dropped, and what can't be read.
        """
        self._run(
            f"""CREATE OR REPLACE TEMP VIEW log AS SELECT * FROM {RECORDS};
            CREATE OR REPLACE TEMP TABLE exceptions
            (topic_partition INTEGER, topic_offset BIGINT, counts BOOLEAN, late_ms BIGINT);
            CREATE OR REPLACE TEMP TABLE unheard(topic_partition INTEGER, topic_offset BIGINT);
            CREATE OR REPLACE TEMP TABLE odd AS
            SELECT key FROM (SELECT CASE WHEN {READABLE_SQL} THEN hash(hash) END AS key
                             FROM {RECORDS})
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
                    f"""CREATE OR REPLACE TEMP TABLE once AS
                    SELECT DISTINCT ON (topic_partition, topic_offset) * FROM {RECORDS};
                    CREATE OR REPLACE TEMP VIEW log AS SELECT * FROM once"""
                )
                self._sight()
            self._run(
                f"""INSERT INTO unheard SELECT topic_partition, topic_offset FROM sightings
                WHERE after_ms < {self._rules.remember_s * 1000};
                INSERT INTO exceptions SELECT *, false, NULL FROM unheard"""
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

    def _judge(self) -> None:
        """Make ``closings`` and ``partitions`` of the order of the log, add to ``exceptions``."""
        self._run(
            """CREATE OR REPLACE TEMP TABLE closings
            (topic_partition INTEGER, closed_s BIGINT, feed_time_ms BIGINT);
            CREATE OR REPLACE TEMP TABLE partitions(topic_partition INTEGER, moved_ms BIGINT)"""
        )
        place = "SELECT topic_partition, topic_offset"
        log = self._db.sql(f"{place}, feed_time_ms, time FROM log").to_arrow_table()
        unheard = self._db.sql(f"{place} FROM unheard").to_arrow_table()
        unread = self._db.sql(f"{place} FROM exceptions").to_arrow_table()
        for partition in sorted(pc.unique(log["topic_partition"]).to_pylist()):
            heard = without(
                _of(log, partition),
                unheard=_of(unheard, partition)["topic_offset"],
                unread=_of(unread, partition)["topic_offset"],
            )
            if len(heard):
                self._keep(partition, judge(heard, self._rules))

    def _keep(self, partition: int, judged: Judged) -> None:
        for name, found in (("exceptions", judged.exceptions), ("closings", judged.closings)):
            self._db.register("found", found)
            self._run(f"INSERT INTO {name} SELECT {partition}, * FROM found")
            self._db.unregister("found")
        self._run(f"INSERT INTO partitions VALUES ({partition}, {judged.moved_ms})")

    def _fold(self) -> None:
        """Make ``folded``: the features of each minute in which something counted."""
        also = {"nb_late_trx_1min": "count(late_ms)", "last_late_ms": "max(late_ms)"}
        span = f"time >= {self._span.start_s} AND time < {self._span.end_s}"
        counted = self._counted(f"(SELECT * FROM log WHERE {span})")
        self._run(f"CREATE OR REPLACE TEMP TABLE folded AS {minute_sql(counted, also=also)}")

    def _counted(self, source: str) -> str:
        """Return a query of what counts of ``source``, with ``late_ms`` where it came late."""
        if not self._count("SELECT count(*) FROM exceptions"):
            return f"(SELECT *, NULL::BIGINT AS late_ms FROM {source})"
        return f"""(SELECT source.*, late_ms
            FROM {source} source LEFT JOIN exceptions e USING (topic_partition, topic_offset)
            WHERE coalesce(e.counts, true))"""

    def _close(self) -> None:
        """Make ``closed``: when each minute was closed in all partitions, if it was."""
        rules = self._rules
        ended_ms = "idle_ms" if self._is_complete else "NULL"
        newest_ms = f"{_NEVER}" if self._is_complete else "max(feed_time_ms)"
        # A partition that stood still to the end follows the clock that all records tell.
        self._run(
            f"""CREATE OR REPLACE TEMP TABLE clock AS SELECT DISTINCT feed_time_ms FROM {RECORDS};
            CREATE OR REPLACE TEMP TABLE horizon AS
            SELECT newest_ms, newest_ms - {SETTLED_S * 1000} AS settled_ms
            FROM (SELECT {newest_ms} AS newest_ms FROM clock LIMIT 1);
            CREATE OR REPLACE TEMP TABLE alive AS
            SELECT DISTINCT feed_time_ms // 60000 * 60 AS minute_s FROM clock;
            CREATE OR REPLACE TEMP TABLE closed AS
            WITH wanted AS (
                SELECT minute_s FROM folded UNION SELECT minute_s FROM alive WHERE {self._span.sql}
            ), idle AS (
                SELECT minute_s, topic_partition,
                    greatest((minute_s + {MINUTE_S + rules.out_of_orderness_s}) * 1000,
                             moved_ms + {rules.idle_s * 1000}) AS idle_ms
                FROM wanted CROSS JOIN partitions
            ), each AS (
                SELECT idle.*, closings.feed_time_ms AS own_ms
                FROM idle ASOF LEFT JOIN closings
                  ON idle.topic_partition = closings.topic_partition
                 AND idle.minute_s + 60 <= closings.closed_s
            ), known AS (
                SELECT minute_s, coalesce(own_ms, clock.feed_time_ms, {ended_ms}) AS known_ms
                FROM each ASOF LEFT JOIN clock ON each.idle_ms <= clock.feed_time_ms
            )
            SELECT minute_s, max(known_ms) AS known_ms FROM known
            GROUP BY minute_s HAVING count(*) = count(known_ms)"""
        )
        self._run(
            f"""CREATE OR REPLACE TEMP VIEW last AS
            SELECT minute_s, greatest(closed.known_ms, last_late_ms) AS known_ms,
                coalesce(nb_late_trx_1min, 0) AS nb_late_trx_1min, {_or_zero("folded")}
            FROM closed LEFT JOIN folded USING (minute_s)
            WHERE {_is_exact("folded")}"""
        )

    def make_revisions(self) -> None:
        """Make ``revisions``: minutes that were corrected have more than one."""
        if not self._count("SELECT count(*) FROM folded WHERE nb_late_trx_1min > 0"):
            self._run("CREATE OR REPLACE TEMP VIEW revisions AS SELECT *, 1 AS revision FROM last")
            return
        of_corrected = """(SELECT * EXCLUDE (hash) FROM log WHERE time // 60 * 60 IN (
            SELECT minute_s FROM folded WHERE nb_late_trx_1min > 0))"""
        self._run(
            f"""CREATE OR REPLACE TEMP TABLE counted AS FROM {self._counted(of_corrected)};
            CREATE OR REPLACE TEMP TABLE cuts AS
            SELECT *, row_number() OVER (PARTITION BY minute_s ORDER BY known_ms) AS revision,
                row_number() OVER (ORDER BY minute_s, known_ms) AS id
            FROM (
                SELECT minute_s, known_ms FROM closed
                JOIN folded USING (minute_s)
                WHERE nb_late_trx_1min > 0 AND (
                    total_nb_trx_1min > nb_late_trx_1min
                    OR minute_s IN (SELECT minute_s FROM alive))
                UNION
                SELECT minute_s, greatest(late_ms, known_ms)
                FROM (SELECT time // 60 * 60 AS minute_s, late_ms FROM counted
                      WHERE late_ms IS NOT NULL)
                JOIN closed USING (minute_s)
            )"""
        )
        # A cut is a minute of its own to the features' SQL, of what was known by then.
        known = """(SELECT counted.* REPLACE (cuts.id * 60 AS time)
            FROM counted JOIN cuts ON counted.time // 60 * 60 = cuts.minute_s
             AND coalesce(counted.late_ms, 0) <= cuts.known_ms)"""
        also = {"nb_late_trx_1min": "count(late_ms)"}
        self._run(f"CREATE OR REPLACE TEMP TABLE cut AS {minute_sql(known, also=also)}")
        self._run(
            f"""CREATE OR REPLACE TEMP VIEW revisions AS
            SELECT *, 1 AS revision FROM last WHERE nb_late_trx_1min = 0
            UNION ALL BY NAME
            SELECT cuts.minute_s, known_ms, revision,
                coalesce(nb_late_trx_1min, 0) AS nb_late_trx_1min, {_or_zero("cut")}
            FROM cuts LEFT JOIN cut ON cut.minute_s = cuts.id * 60
            WHERE {_is_exact("cut")}"""
        )

    def _run(self, sql: str) -> None:
        self._db.execute(sql)

    def _rows(self, sql: str) -> list[tuple[int, ...]]:
        return self._db.execute(sql).fetchall()

    def _count(self, sql: str) -> int:
        return self._rows(sql)[0][0]


def _of(rows: pa.Table, partition: int) -> pa.Table:
    return rows.filter(pc.equal(rows["topic_partition"], partition))


def rows_sql(relation: str) -> str:
    """Return a SELECT of every declared feature from ``last`` or ``revisions``.

    What can't be known from transactions is null: ``nb_gaps_1min``.
    """
    special = {
        RECORD_IDENTIFIER: "strftime(make_timestamp(minute_s * 1000000), '%Y-%m-%d %H:%M:%S')",
        "revision": "revision::BIGINT",
        "is_final": "1::BIGINT",
        "nb_late_trx_1min": "nb_late_trx_1min::BIGINT",
        "nb_gaps_1min": "NULL::BIGINT",
        EVENT_TIME: "known_ms / 1000",
    }
    columns = ", ".join(f"{special.get(f.name, f.name)} AS {f.name}" for f in FEATURES)
    return f"SELECT {columns} FROM {relation}"


def _or_zero(table: str) -> str:
    """Return `COLUMNS` of a table that was joined from the left: those of an empty minute else."""
    zero = features.row(
        features.EMPTY, minute_s=0, event_time_ms=0, revision=1, is_final=True, gaps=0
    )
    return ", ".join(
        f"CASE WHEN {table}.minute_s IS NULL THEN {zero[name]!r} ELSE {name} END AS {name}"
        for name in COLUMNS
    )


def _is_exact(table: str) -> str:
    exact = " AND ".join(f"{name} IS NOT NULL" for name in COLUMNS)
    return f"({table}.minute_s IS NULL OR ({exact}))"
