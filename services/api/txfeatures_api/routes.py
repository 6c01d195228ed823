"""The routes: each checks its parameters, reads once, and answers."""

from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from txfeatures import __version__
from txfeatures.domain.features import minute_name
from txfeatures.domain.model import Row
from txfeatures.process.runtime import Runtime
from txfeatures_api import logic, problems
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.head import HeadAsGet
from txfeatures_api.models import FeatureRow, FeatureRows, row_answer
from txfeatures_api.rows import Rows
from txfeatures_api.telemetry import RequestMetrics

LARGEST_PAGE = 1_000

NO_CACHE = {"Cache-Control": "no-cache"}
"""An answer may be kept, but must be revalidated: it is true for a second."""

UNPROCESSABLE, NOT_FOUND, UNAVAILABLE = (
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


class LatestQuery(BaseModel):
    """Parameters of the latest row; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")

    final: bool = Field(default=False, description="Only rows that are final.")


class RangeQuery(BaseModel):
    """Parameters of a range; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")

    first: str | None = Field(
        default=None,
        alias="from",
        description=f"First minute, {logic.MINUTE_FORMATS}; default: `limit` minutes up to `to`.",
    )
    last: str | None = Field(
        default=None,
        alias="to",
        description="Last minute, included; default: the feed's present minute.",
    )
    limit: int = Field(default=60, ge=1, le=LARGEST_PAGE, description="Most minutes per answer.")


def create_app(*, rows: Rows, feed_clock: FeedClock, runtime: Runtime) -> FastAPI:
    """Return the application; nothing runs yet."""
    app = FastAPI(
        title="txfeatures",
        version=__version__,
        description="Features of live Bitcoin transactions, per minute.",
        redoc_url=None,
    )
    app.add_middleware(RequestMetrics, runtime=runtime)
    app.add_middleware(HeadAsGet)
    problems.install(app)
    _add_features(app, rows, feed_clock, runtime)
    _add_operations(app, runtime)
    return app


def _add_features(app: FastAPI, rows: Rows, feed_clock: FeedClock, runtime: Runtime) -> None:
    @app.get(
        "/features/latest",
        response_model=FeatureRow,
        responses=problems.responses(NOT_FOUND, UNPROCESSABLE, UNAVAILABLE),
    )
    async def latest(request: Request, query: Annotated[LatestQuery, Query()]) -> Response:
        """Return the newest minute that has a row; it never goes back."""
        now_ms = feed_clock.now_ms()
        row = await rows.latest(now_ms, only_final=query.final)
        if row is None:
            kind = "final row" if query.final else "row"
            raise HTTPException(
                NOT_FOUND,
                f"There is no {kind} yet near the feed's clock, {logic.as_of(now_ms)}; try again.",
            )
        runtime.metrics.set("staleness_seconds", logic.staleness_s(row, feed_clock.now_ms()))
        return _conditional(request, row, feed_clock.now_ms())

    @app.get(
        "/features/{minute}",
        response_model=FeatureRow,
        responses=problems.responses(NOT_FOUND, UNPROCESSABLE, UNAVAILABLE),
    )
    async def one_minute(
        request: Request, minute: Annotated[str, Path(description=logic.MINUTE_FORMATS)]
    ) -> Response:
        """Return the row of a minute."""
        minute_s = logic.parse_minute(minute)
        now_ms = feed_clock.now_ms()
        found = await rows.between(minute_s, minute_s)
        if not found:
            raise HTTPException(
                NOT_FOUND,
                f"The minute {minute_name(minute_s)} has no row; "
                f"the feed's clock stands at {logic.as_of(now_ms)}.",
            )
        return _conditional(request, found[0], feed_clock.now_ms())

    @app.get(
        "/features",
        response_model=FeatureRows,
        responses=problems.responses(UNPROCESSABLE, UNAVAILABLE),
    )
    async def between(query: Annotated[RangeQuery, Query()]) -> Response:
        """Return the rows of a range of minutes, oldest first."""
        page = logic.page(
            first_s=None if query.first is None else logic.parse_minute(query.first),
            last_s=None if query.last is None else logic.parse_minute(query.last),
            limit=query.limit,
            feed_time_ms=feed_clock.now_ms(),
        )
        found = await rows.between(page.first_s, page.last_s)
        now_ms = feed_clock.now_ms()
        return JSONResponse(
            {
                "rows": [row_answer(row, now_ms) for row in found],
                "next": None if page.next_s is None else minute_name(page.next_s),
                "as_of": logic.as_of(now_ms),
            },
            headers=NO_CACHE,
        )


def _add_operations(app: FastAPI, runtime: Runtime) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        if runtime.stop.is_set():
            return PlainTextResponse("stopping\n", status_code=UNAVAILABLE)
        if missing := runtime.health.missing():
            text = f"waiting for {', '.join(missing)}\n"
            return PlainTextResponse(text, status_code=UNAVAILABLE)
        return PlainTextResponse("ready\n")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(runtime.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _conditional(request: Request, row: Row, feed_time_ms: int) -> Response:
    tag = logic.etag(row)
    headers = NO_CACHE | {"ETag": tag}
    if logic.is_match(",".join(request.headers.getlist("If-None-Match")), tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return JSONResponse(row_answer(row, feed_time_ms), headers=headers)
