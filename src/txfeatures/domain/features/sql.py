"""The computation over the archive in DuckDB SQL, equal to the stream's to the last bit [pure].

Expressions read the typed columns ``time``, ``fee``, ``size``, ``weight``, ``rbf`` and
``output_value`` of the archive; NULL contributes nothing. ``hash`` is NULL unless it is valid.
"""

from collections.abc import Mapping

from txfeatures.domain.features.declared import DERIVED, FEATURES, FOLDS
from txfeatures.domain.features.kinds import DerivedFeature, FoldedFeature
from txfeatures.domain.model import MAX_MONEY_SAT, MINUTE_S

READABLE_SQL = (
    "(hash IS NOT NULL AND coalesce(time >= 0, false) "
    f"AND coalesce(fee BETWEEN 0 AND {MAX_MONEY_SAT}, false))"
)
"""True for a transaction of the archive that the stream can read, else false; never NULL."""


def minute_sql(source: str, *, also: Mapping[str, str] | None = None) -> str:
    """Return a SELECT of one row per minute that has transactions, in no order.

    Its columns are ``minute_s`` (epoch seconds of the minute's start), the folded and
    derived features in declared order, and those of ``also``. A total that needs more
    than 64 bits is NULL, and so are the features derived from it.

    Args:
        source: A table, or a query in parentheses, of the transactions to count: each once
            and all readable (``READABLE_SQL``).
        also: Further columns: name -> aggregate over the columns of ``source``.
    """
    aggregates = {name: fold.sql for name, fold in FOLDS.items()} | dict(also or {})
    derived = {feature.name: feature.sql for feature in DERIVED}
    columns = [
        f"{derived[f.name]} AS {f.name}" if f.name in derived else f.name
        for f in FEATURES
        if isinstance(f, FoldedFeature | DerivedFeature)
    ]
    inner = ", ".join(f"{sql} AS {name}" for name, sql in aggregates.items())
    return (  # no part of it comes from outside the program
        f"SELECT {', '.join(['minute_s', *columns, *(also or {})])} "  # noqa: S608
        f"FROM (SELECT time // {MINUTE_S} * {MINUTE_S} AS minute_s, {inner} "
        f"FROM {source} GROUP BY 1)"
    )
