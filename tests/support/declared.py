"""The shipped declaration, and rows of it."""

from txfeatures.domain.features import EMPTY, default

DEFAULT = default()
FEATURES = DEFAULT.features
COMPUTED = [feature.name for feature in DEFAULT.computed]
fold, merge, row, minute_sql = DEFAULT.fold, DEFAULT.merge, DEFAULT.row, DEFAULT.minute_sql

__all__ = ["COMPUTED", "DEFAULT", "EMPTY", "FEATURES", "fold", "merge", "minute_sql", "row"]
