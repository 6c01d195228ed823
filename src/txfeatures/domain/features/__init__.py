"""The declared list of features: name, type, unit, and how each is made of transactions.

To add a feature, add one declaration to ``FEATURES`` (``declared``). A folded feature
says what one transaction contributes and how contributions add up; a derived one is a
function of folded ones. Both say it twice, in Python for the stream and in SQL for the
archive, and tests hold the two together. The remaining ones describe the row itself.

``kinds`` has the words a declaration is made of, ``sketch`` the histogram behind the
quantiles, ``folding`` the stream's side, ``sql`` the archive's, ``rows`` the row.
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
