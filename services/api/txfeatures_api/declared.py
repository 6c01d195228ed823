"""The declared features over HTTP: names, types, units and meanings."""

from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from txfeatures.domain.features import Feature


class DeclaredFeature(BaseModel):
    """A column of the feature group."""

    name: str = Field(description="Its name in rows.")
    type: str = Field(description="SageMaker feature type.")
    unit: str = Field(description="Unit of the value; empty if it has none.")
    description: str = Field(description="Its meaning, one sentence.")
    error: str = Field(description="Largest distance from the true value; empty if it is exact.")


class DeclaredFeatures(BaseModel):
    """The declared features in the order of their columns."""

    features: list[DeclaredFeature]


def declared(features: Sequence[Feature]) -> DeclaredFeatures:
    """Return the answer that lists ``features``."""
    return DeclaredFeatures(features=[_declared(feature) for feature in features])


def add_declared(app: FastAPI, features: Sequence[Feature]) -> None:
    """Serve the declaration; call before the route of a minute is added, which it resembles."""
    content = declared(features).model_dump()

    @app.get("/v1/features/declared", response_model=DeclaredFeatures)
    @app.get("/features/declared", response_model=DeclaredFeatures, include_in_schema=False)
    async def declared_features() -> Response:
        """Return the declared features."""
        return JSONResponse(content, headers={"Cache-Control": "no-cache"})


def _declared(feature: Feature) -> DeclaredFeature:
    return DeclaredFeature(
        name=feature.name,
        type=feature.type,
        unit=feature.unit,
        description=feature.description,
        error=feature.error,
    )
