"""The declared list of features: name, type, unit and computation of each.

To add a feature, add one declaration to ``FEATURES`` (``declared``). A folded feature
declares the contribution of one transaction and the aggregate of all contributions; a
derived feature is a function of folded ones. Both are declared twice, in Python for the
stream and in SQL for the archive, and property tests hold the two equal. The remaining
features describe the row itself.

``kinds`` has the types that declarations are built from, ``sketch`` the histogram behind
the quantiles, ``folding`` the computation of the stream, ``sql`` that of the archive, and
``minutes`` the record identifier.
"""

from txfeatures.domain.features.declared import DERIVED, FEATURES, FOLDED, FOLDS, REQUIRED
from txfeatures.domain.features.folding import EMPTY, FeatureOverflowError, fold, merge, row
from txfeatures.domain.features.kinds import (
    INTEGRAL_MAX,
    Aggregate,
    DerivedFeature,
    Feature,
    FeatureType,
    Fold,
    FoldedFeature,
)
from txfeatures.domain.features.minutes import (
    EVENT_TIME,
    RECORD_IDENTIFIER,
    minute_name,
    minute_start_s,
)
from txfeatures.domain.features.sql import READABLE_SQL, minute_sql

__all__ = [
    "DERIVED",
    "EMPTY",
    "EVENT_TIME",
    "FEATURES",
    "FOLDED",
    "FOLDS",
    "INTEGRAL_MAX",
    "READABLE_SQL",
    "RECORD_IDENTIFIER",
    "REQUIRED",
    "Aggregate",
    "DerivedFeature",
    "Feature",
    "FeatureOverflowError",
    "FeatureType",
    "Fold",
    "FoldedFeature",
    "fold",
    "merge",
    "minute_name",
    "minute_sql",
    "minute_start_s",
    "row",
]
