"""The routes of features: each checks its parameters and answers from the known rows."""

from collections.abc import AsyncIterator, Callable, Coroutine
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response, StreamingResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from txfeatures.domain.features import minute_name
from txfeatures.domain.model import MINUTE_S
from txfeatures_api import formats, logic, problems
from txfeatures_api.conditional import has_it
from txfeatures_api.features import Features
from txfeatures_api.head import IS_HEAD
from txfeatures_api.models import Answers
from txfeatures_api.pages import between
from txfeatures_api.queries import FieldsQuery, LatestQuery, StreamQuery, parameters
from txfeatures_api.served import ServedRow
from txfeatures_api.stream import events
from txfeatures_api.unavailable import UnavailableError

PREFIXES = ("/v1/features", "/features")
"""The second is a stable alias of the first."""

RETRY_S = 5

UNPROCESSABLE, NOT_FOUND, UNAVAILABLE = (
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


class DirectRoute(APIRoute):
    """A route whose endpoint reads the request itself; nothing is resolved before."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint."""
        return self.endpoint


def add_features(app: FastAPI, features: Features) -> None:
    """Add the routes, each under both prefixes; only the first is documented."""
    one = problems.responses(NOT_FOUND, UNPROCESSABLE, UNAVAILABLE)
    many = problems.responses(HTTPStatus.NOT_ACCEPTABLE, UNPROCESSABLE, UNAVAILABLE)
    streamed = problems.responses(UNPROCESSABLE, HTTPStatus.TOO_MANY_REQUESTS, UNAVAILABLE)
    answers = Answers(features.declaration.features)
    latest = {"response_model": answers.row, "responses": one}
    others: dict[str, dict[str, Any]] = {media: {} for media in formats.FORMATS[1:]}
    ok = {"description": "Rows in the format that Accept prefers.", "content": others}
    stream = {"description": "Rows as events.", "content": {"text/event-stream": {}}}
    routes: tuple[tuple[str, Callable[..., Any], dict[str, Any]], ...] = (
        (
            "/latest",
            _latest(features),
            latest
            | {
                "openapi_extra": {"parameters": parameters(LatestQuery)},
                "route_class_override": DirectRoute,
            },
        ),
        (
            "/stream",
            _stream(features),
            {"response_class": StreamingResponse, "responses": streamed | {200: stream}},
        ),
        ("/{minute}", _minute(features), latest),
        ("", between(features), {"response_model": answers.rows, "responses": many | {200: ok}}),
    )
    for prefix in PREFIXES:
        for path, endpoint, options in routes:
            app.router.add_api_route(
                f"{prefix}{path}",
                endpoint,
                methods=["GET"],
                include_in_schema=prefix == PREFIXES[0],
                **options,
            )


def _latest(features: Features) -> Callable[..., Any]:
    async def latest(request: Request) -> Response:
        """Return the newest minute that has a row; it never goes back."""
        query, fields = _latest_query(request.scope["query_string"], features.names)
        now_ms = features.feed_clock.now_ms()
        features.watch.require(features.runtime.clock.monotonic())
        row = features.rows.latest(only_final=query.final)
        if row is None:
            kind = "final row" if query.final else "row"
            raise HTTPException(
                NOT_FOUND,
                f"There is no {kind} yet near the feed's clock, {logic.as_of(now_ms)}; try again.",
            )
        staleness_s = logic.staleness_s(row.row, now_ms)
        features.runtime.metrics.set("staleness_seconds", staleness_s)
        if query.max_staleness is not None and staleness_s > query.max_staleness:
            raise UnavailableError(
                f"The newest row is {staleness_s:g} s old, more than max_staleness allows; "
                "try again, or allow more."
            )
        return _conditional(request, row, now_ms, fields)

    return latest


def _minute(features: Features) -> Callable[..., Any]:
    async def one_minute(
        request: Request,
        minute: Annotated[
            str,
            Path(
                description=logic.MINUTE_FORMATS,
                json_schema_extra={"pattern": logic.MINUTE_PATTERN},
            ),
        ],
        query: Annotated[FieldsQuery, Query()],
    ) -> Response:
        """Return the row of a minute."""
        fields = logic.parse_fields(query.fields, features.names)
        minute_s = logic.parse_minute(minute)
        now_ms = features.feed_clock.now_ms()
        found = await features.ranges.rows([minute_s])
        if not found:
            raise HTTPException(
                NOT_FOUND,
                f"The minute {minute_name(minute_s)} has no row; "
                f"the feed's clock stands at {logic.as_of(now_ms)}.",
            )
        return _conditional(request, found[0], features.feed_clock.now_ms(), fields)

    return one_minute


def _stream(features: Features) -> Callable[..., Any]:
    def first(last: tuple[int, int] | None) -> list[ServedRow]:
        if last is None:
            newest = features.rows.latest()
            return [] if newest is None else [newest]
        known = {row.minute_s: row for row in features.rows.known(_resumable(features))}
        rows = [row.row for row in known.values()]
        missed = logic.missed(rows, minute_s=last[0], revision=last[1])
        by_name = {logic.name(row.row): row for row in known.values()}
        return [by_name[logic.name(row)] for row in missed]

    async def stream(
        request: Request,
        query: Annotated[StreamQuery, Query()],
        last_event_id: Annotated[
            str | None, Header(description="Id of the last event received; the rest is sent first.")
        ] = None,
    ) -> Response:
        """Send each new revision of a row as it comes, as server-sent events."""
        fields = logic.parse_fields(query.fields, features.names)
        text = last_event_id or query.last_event_id
        last = logic.parse_event_id(text) if text else None
        host = request.client.host if request.client else ""
        if refusal := features.hub.refusal(host):
            status, detail = refusal
            raise HTTPException(status, detail, {"Retry-After": str(RETRY_S)})
        features.watch.require(features.runtime.clock.monotonic())
        if last is not None:
            await features.ranges.rows(_resumable(features))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        if request.scope.get(IS_HEAD):
            return Response(headers=headers, media_type="text/event-stream")

        async def body() -> AsyncIterator[bytes]:
            with features.hub.client(host) as client:
                # Chosen when the client is known to the hub: no row falls in between.
                chosen = first(last)
                async for part in events(
                    features.hub, client, chosen, fields=fields, now_ms=features.feed_clock.now_ms
                ):
                    yield part

        return StreamingResponse(body(), headers=headers, media_type="text/event-stream")

    return stream


def _resumable(features: Features) -> range:
    end_s = logic.minute_of(features.feed_clock.now_ms()) + logic.AHEAD_S
    span_s = (logic.RESUMED_MINUTES - 1) * MINUTE_S
    return logic.minutes_between(max(0, end_s - span_s), end_s)


def _conditional(
    request: Request, row: ServedRow, feed_time_ms: int, fields: logic.Fields
) -> Response:
    if has_it(request, row.tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=row.headers)
    return Response(row.answer(feed_time_ms, fields), headers=row.headers, media_type=formats.JSON)


@lru_cache(maxsize=256)
def _latest_query(query_string: bytes, declared: logic.Fields) -> tuple[LatestQuery, logic.Fields]:
    """Return the parameters of the hottest route: its clients repeat the same few."""
    given = parse_qs(query_string.decode("latin-1"), keep_blank_values=True)
    try:
        query = LatestQuery.model_validate({name: values[-1] for name, values in given.items()})
    except ValidationError as error:
        mistakes = [{**each, "loc": ("query", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(mistakes) from error
    return query, logic.parse_fields(query.fields, declared)
