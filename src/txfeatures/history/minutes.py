"""Rows of minutes, recomputed from archived transactions in DuckDB.

The log is read once for each question, its exceptions are few and joined to the rest; the
features themselves are the SQL of their declarations.
"""

# ruff: noqa: S608 - nothing of the SQL comes from outside of the program

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from txfeatures.domain.features import EMPTY, EVENT_TIME, RECORD_IDENTIFIER, Declaration
from txfeatures.domain.model import MINUTE_S, FeatureValue
from txfeatures.domain.rules import Rules
from txfeatures.history.log import open_log
from txfeatures.history.span import Span

SETTLED_S = 300
"""The newest so many seconds of the archive may lack objects that are still being filled."""

HistoricRow = dict[str, FeatureValue]
"""Feature name -> value; a feature that isn't known is left out, which is Feature Store's null."""

_NEVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """The minutes of a span, recomputed.

    Attributes:
        span: The span.
        declaration: The declared features.
        revisions: Every final revision of each closed minute: the declared features, of which
            ``nb_gaps_1min`` can't be known from transactions and is null. Valid until the next
            `recompute` with the same connection.
        newest_ms: The feed's clock at the newest record; None without a record.
        settled_ms: The feed time up to which all records are there; None without a record.
        withheld: Minutes left out since a total needs more than 64 bits, as the aggregator
            withholds them.
    """

    span: Span
    declaration: Declaration
    revisions: duckdb.DuckDBPyRelation
    newest_ms: int | None
    settled_ms: int | None
    withheld: int

    @property
    def last(self) -> duckdb.DuckDBPyRelation:
        """The last revision of each minute."""
        ranked = self.revisions.project(
            f"*, row_number() OVER (PARTITION BY {RECORD_IDENTIFIER} ORDER BY revision DESC) "
            "AS place"
        )
        return ranked.filter("place = 1").project("* EXCLUDE (place)")


def recompute(
    connection: duckdb.DuckDBPyConnection,
    records: duckdb.DuckDBPyRelation,
    span: Span,
    *,
    rules: Rules,
    declaration: Declaration,
    is_complete: bool,
) -> Minutes:
    """Return the minutes of ``span``.

    Args:
        connection: A database of `engine`, which computes and holds the rows.
        records: The archive's columns, ``json`` may be missing; all records of every feed time
            at which a transaction of the span may have come.
        span: The minutes that are wanted.
        rules: The rules of time.
        declaration: The declared features.
        is_complete: The feed ended with these records: minutes still open close by themselves.
    """
    open_log(connection, records, rules)
    recomputation = _Recomputation(connection, span, rules, declaration, is_complete=is_complete)
    return recomputation.minutes()


def rows_of(relation: duckdb.DuckDBPyRelation) -> Iterator[HistoricRow]:
    """Yield the rows of a relation, nulls left out."""
    names = relation.columns
    for values in relation.fetchall():
        yield {name: v for name, v in zip(names, values, strict=True) if v is not None}


class _Recomputation:
    """Relations on top of those of `log`; each method makes the ones that it names."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        span: Span,
        rules: Rules,
        declaration: Declaration,
        *,
        is_complete: bool,
    ) -> None:
        self._db = connection
        self._span = span
        self._rules = rules
        self._declaration = declaration
        self._names = [feature.name for feature in declaration.computed]
        self._is_complete = is_complete

    def minutes(self) -> Minutes:
        self._fold()
        self._close()
        self._revise()
        newest_ms = (
            _NEVER if self._is_complete else self._count("SELECT max(feed_time_ms) FROM records")
        )
        return Minutes(
            span=self._span,
            declaration=self._declaration,
            revisions=self._db.sql(f"SELECT {self._columns()} FROM revisions"),
            newest_ms=newest_ms,
            settled_ms=None if newest_ms is None else newest_ms - SETTLED_S * 1000,
            withheld=self._count("SELECT count(*) FROM folded WHERE NOT is_exact") or 0,
        )

    def _fold(self) -> None:
        """Make ``folded``: the features of each minute in which something counted."""
        also = {"nb_late_trx_1min": "count(late_ms)", "last_late_ms": "max(late_ms)"}
        span = f"time >= {self._span.start_s} AND time < {self._span.end_s}"
        counted = self._counted(f"(SELECT * FROM log WHERE {span})")
        folded = self._declaration.minute_sql(counted, also=also)
        self._run(f"CREATE OR REPLACE TEMP TABLE folded AS {folded}")

    def _counted(self, source: str) -> str:
        """Return a query of the records of ``source`` that count, with ``late_ms`` if late."""
        if not self._count("SELECT count(*) FROM exceptions"):
            return f"(SELECT *, NULL::BIGINT AS late_ms FROM {source})"
        return f"""(SELECT source.*, late_ms
            FROM {source} source LEFT JOIN exceptions e USING (topic_partition, topic_offset)
            WHERE coalesce(e.counts, true))"""

    def _close(self) -> None:
        """Make ``closed``: when each minute was closed in all partitions, if it was.

        And ``last``: the last revision of each closed minute.
        """
        rules = self._rules
        span = f"minute_s >= {self._span.start_s} AND minute_s < {self._span.end_s}"
        reached = "(SELECT max(feed_time_ms) // 1000 FROM records)"
        self._run(
            f"""CREATE OR REPLACE TEMP TABLE alive AS
            SELECT DISTINCT feed_time_ms // 60000 * 60 AS minute_s FROM records;
            CREATE OR REPLACE TEMP TABLE closed AS
            WITH wanted AS (
                SELECT minute_s FROM folded UNION SELECT minute_s FROM alive WHERE {span}
            ), each AS (
                SELECT minute_s, topic_partition, minute_s + {MINUTE_S} AS end_s
                FROM wanted CROSS JOIN (SELECT DISTINCT topic_partition FROM closings)
            ), closing AS (
                SELECT minute_s, CASE WHEN NOT is_idle THEN from_s
                    ELSE greatest(from_s, end_s + {rules.out_of_orderness_s}) END AS close_s
                FROM each ASOF JOIN closings
                  ON each.topic_partition = closings.topic_partition AND end_s <= closed_s
            )
            SELECT minute_s, max(close_s) * 1000 AS known_ms FROM closing
            GROUP BY minute_s HAVING {self._is_complete} OR max(close_s) <= {reached};
            CREATE OR REPLACE TEMP VIEW last AS
            SELECT minute_s, greatest(closed.known_ms, {_second("last_late_ms")}) AS known_ms,
                coalesce(nb_late_trx_1min, 0) AS nb_late_trx_1min, {self._or_zero("folded")}
            FROM closed LEFT JOIN folded USING (minute_s)
            WHERE folded.minute_s IS NULL OR is_exact"""
        )

    def _revise(self) -> None:
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
                SELECT minute_s, greatest({_second("late_ms")}, known_ms)
                FROM (SELECT time // 60 * 60 AS minute_s, late_ms FROM counted
                      WHERE late_ms IS NOT NULL)
                JOIN closed USING (minute_s)
            )"""
        )
        # To the features' SQL a cut is a minute of its own, made of the records known by then.
        known = """(SELECT counted.*, cuts.id AS cut_id
            FROM counted JOIN cuts ON counted.time // 60 * 60 = cuts.minute_s
             AND coalesce(counted.late_ms, 0) <= cuts.known_ms)"""
        also = {"nb_late_trx_1min": "count(late_ms)"}
        cut = self._declaration.minute_sql(known, minute="cut_id", also=also)
        self._run(f"CREATE OR REPLACE TEMP TABLE cut AS {cut}")
        self._run(
            f"""CREATE OR REPLACE TEMP VIEW revisions AS
            SELECT *, 1 AS revision FROM last WHERE nb_late_trx_1min = 0
            UNION ALL BY NAME
            SELECT cuts.minute_s, known_ms, revision,
                coalesce(nb_late_trx_1min, 0) AS nb_late_trx_1min, {self._or_zero("cut")}
            FROM cuts LEFT JOIN cut ON cut.minute_s = cuts.id
            WHERE cut.minute_s IS NULL OR is_exact"""
        )

    def _columns(self) -> str:
        """Return all features in order."""
        features = self._declaration.features
        return ", ".join(f"{_SPECIAL.get(f.name, f.name)} AS {f.name}" for f in features)

    def _or_zero(self, table: str) -> str:
        """Return the computed features of a table that was joined from the left.

        Where it has no row they are those of an empty minute.
        """
        zero = self._declaration.row(
            EMPTY, minute_s=0, event_time_ms=0, revision=1, is_final=True, gaps=0
        )
        return ", ".join(
            f"CASE WHEN {table}.minute_s IS NULL THEN {zero.get(name, 'NULL')} ELSE {name} END "
            f"AS {name}"
            for name in self._names
        )

    def _run(self, sql: str) -> None:
        self._db.execute(sql)

    def _count(self, sql: str) -> int | None:
        count: int | None = self._db.execute(sql).fetchall()[0][0]
        return count


def _second(time_ms: str) -> str:
    """Return SQL of the whole second, in milliseconds, by which something of a time is known."""
    return f"(({time_ms} + 999) // 1000 * 1000)"


_SPECIAL = {
    RECORD_IDENTIFIER: "strftime(make_timestamp(minute_s * 1000000), '%Y-%m-%d %H:%M:%S')",
    "revision": "revision::BIGINT",
    "is_final": "1::BIGINT",
    "nb_late_trx_1min": "nb_late_trx_1min::BIGINT",
    "nb_gaps_1min": "NULL::BIGINT",
    EVENT_TIME: "known_ms / 1000",
}
