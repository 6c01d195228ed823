"""The features: a declaration read from a file, and all that follows from it.

A *folded* feature is an aggregate of an expression over the columns of a transaction, a *derived*
one an expression over other features. Each expression is written once, in a small subset of SQL;
the stream's Python and the archive's SQL are generated from the same tree, and property tests
hold the two equal.

From the ground up: ``columns`` and ``expression`` are the language, ``parsing`` reads it,
``python_code`` and ``sql_code`` generate code; ``kinds`` has the types of a declaration,
``sketch`` the histogram behind quantiles, ``folding`` the computation of the stream and ``sql``
that of the archive; ``document``, ``draft``, ``building`` and ``reading`` make a `Declaration` of
a file. ``features.yaml`` is the one that is shipped.
"""

from txfeatures.domain.features.declaration import EMPTY, Declaration, FeatureOverflowError
from txfeatures.domain.features.document import DeclarationError
from txfeatures.domain.features.kinds import (
    INTEGRAL_MAX,
    ComputedFeature,
    DerivedFeature,
    Feature,
    FeatureType,
    FoldedFeature,
)
from txfeatures.domain.features.minutes import (
    EVENT_TIME,
    RECORD_IDENTIFIER,
    minute_name,
    minute_start_s,
)
from txfeatures.domain.features.quality import ALWAYS, COUNT, REQUIRED
from txfeatures.domain.features.reading import default, read
from txfeatures.domain.features.sql import READABLE_SQL

__all__ = [
    "ALWAYS",
    "COUNT",
    "EMPTY",
    "EVENT_TIME",
    "INTEGRAL_MAX",
    "READABLE_SQL",
    "RECORD_IDENTIFIER",
    "REQUIRED",
    "ComputedFeature",
    "Declaration",
    "DeclarationError",
    "DerivedFeature",
    "Feature",
    "FeatureOverflowError",
    "FeatureType",
    "FoldedFeature",
    "default",
    "minute_name",
    "minute_start_s",
    "read",
]
