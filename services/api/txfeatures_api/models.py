"""The shape of the answers, made from the declared features, so that /docs never lags."""

from typing import Any

from pydantic import BaseModel, Field, create_model

from txfeatures.domain.features import FEATURES, Feature
from txfeatures.domain.model import Row
from txfeatures.feature_store.codec import REQUIRED
from txfeatures_api.logic import as_of, staleness_s

_TYPES: dict[str, type] = {"Integral": int, "Fractional": float, "String": str}


class Freshness(BaseModel):
    """How old an answer is, by the feed's clock."""

    staleness_s: float = Field(ge=0, description="The feed's clock less event_time. Unit: seconds.")
    as_of: str = Field(description="The feed's clock at the answer, ISO 8601, UTC.")


def _field(feature: Feature) -> tuple[Any, Any]:
    unit = f" Unit: {feature.unit}." if feature.unit else ""
    if feature.name in REQUIRED:
        return _TYPES[feature.type], Field(description=f"{feature.description}{unit}")
    younger = " null: the row is older than the feature."
    return _TYPES[feature.type] | None, Field(description=f"{feature.description}{unit}{younger}")


_fields: dict[str, Any] = {feature.name: _field(feature) for feature in FEATURES}

FeatureRow = create_model(
    "FeatureRow",
    __base__=Freshness,
    __doc__="The features of one minute, and how old they are.",
    **_fields,
)


class FeatureRows(BaseModel):
    """The features of a range of minutes, oldest first; minutes without a row are left out."""

    rows: list[FeatureRow]
    next: str | None = Field(
        description="`from` of the rest of the range; null if there is no more."
    )
    as_of: str = Field(description="The feed's clock at the answer, ISO 8601, UTC.")


def row_answer(row: Row, feed_time_ms: int) -> dict[str, Any]:
    """Return a row as ``FeatureRow`` describes it; null for features that it lacks."""
    values = {feature.name: row.get(feature.name) for feature in FEATURES}
    return values | {"staleness_s": staleness_s(row, feed_time_ms), "as_of": as_of(feed_time_ms)}
