"""The shape of the answers, made from the declared features, so that /docs never lags."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field, create_model

from txfeatures.domain.features import Feature
from txfeatures.feature_store.codec import REQUIRED
from txfeatures_api.logic import IDENTITY

_TYPES: dict[str, type] = {"Integral": int, "Fractional": float, "String": str}


class Freshness(BaseModel):
    """How old an answer is, by the feed's clock."""

    staleness_s: float = Field(ge=0, description="The feed's clock less event_time. Unit: seconds.")
    as_of: str = Field(description="The feed's clock at the answer, ISO 8601, UTC.")


class Range(BaseModel):
    """The features of a range of minutes, oldest first; minutes without a row are left out."""

    next: str | None = Field(
        description="`cursor` of the rest of the range; null if there is no more."
    )
    as_of: str = Field(description="The feed's clock at the answer, ISO 8601, UTC.")


class Answers:
    """The models of the answers of a process, for the features that it serves.

    Attributes:
        row: Model of a row.
        rows: Model of a range of rows.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        fields: dict[str, Any] = {feature.name: _field(feature) for feature in features}
        self.row: type[BaseModel] = create_model(
            "FeatureRow",
            __base__=Freshness,
            __doc__="The features of one minute, and how old they are.",
            **fields,
        )
        rows: Any = (list[self.row], ...)  # type: ignore[name-defined]
        self.rows: type[BaseModel] = create_model("FeatureRows", __base__=Range, rows=rows)


def _field(feature: Feature) -> tuple[Any, Any]:
    unit = f" Unit: {feature.unit}." if feature.unit else ""
    if feature.name in IDENTITY:
        return _TYPES[feature.type], Field(description=f"{feature.description}{unit}")
    if feature.name in REQUIRED:  # in every row, but left out by other `fields`
        return _TYPES[feature.type], Field(None, description=f"{feature.description}{unit}")
    younger = " null: the row is older than the feature."
    description = f"{feature.description}{unit}{younger}"
    return _TYPES[feature.type] | None, Field(None, description=description)
