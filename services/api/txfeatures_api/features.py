"""The routes of features: each checks its parameters and answers from the known rows."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs, urlencode

import anyio.to_thread
from fastapi import FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from txfeatures.domain.features import EVENT_TIME, Declaration, minute_name
from txfeatures.domain.model import MINUTE_S
from txfeatures.process.runtime import Runtime
from txfeatures_api import formats, logic, problems
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.head import IS_HEAD
from txfeatures_api.models import Answers
from txfeatures_api.queries import FieldsQuery, LatestQuery, RangeQuery, StreamQuery, parameters
from txfeatures_api.ranges import Ranges
from txfeatures_api.rows import Rows, RowStore
from txfeatures_api.served import ServedRow
from txfeatures_api.settings import Settings
from txfeatures_api.stream import Hub, events
from txfeatures_api.unavailable import UnavailableError
from txfeatures_api.watch import Watch

NO_CACHE = {"Cache-Control": "no-cache"}
"""An answer may be kept, but must be revalidated: it is true for a second."""

PREFIXES = ("/v1/features", "/features")
"""The second is a stable alias of the first."""

RETRY_S = 5

UNPROCESSABLE, NOT_FOUND, UNAVAILABLE = (
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.SERVICE_UNAVAILABLE,
)

Q = TypeVar("Q", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The parts that the routes answer from."""

    rows: Rows
    ranges: Ranges
    watch: Watch
    hub: Hub
    feed_clock: FeedClock
    runtime: Runtime
    declaration: Declaration

    @property
    def names(self) -> logic.Fields:
        """The names of all features, in the order of the columns."""
        return self.declaration.names


def open_features(
    settings: Settings,
    store: RowStore,
    feed_clock: FeedClock,
    runtime: Runtime,
    declaration: Declaration,
) -> Features:
    """Return the parts, wired; nothing is read yet."""
    hub = Hub(
        most=settings.streams,
        most_per_host=settings.streams_per_client,
        on_dropped=lambda number: runtime.metrics.count("stream_dropped_rows_total", number),
    )
    rows = Rows(clock=runtime.clock, on_news=hub.publish)
    return Features(
        rows=rows,
        ranges=Ranges(store, rows, clock=runtime.clock, burst=settings.range_reads),
        watch=Watch(store, rows, feed_clock, lookback_minutes=settings.lookback_minutes),
        hub=hub,
        feed_clock=feed_clock,
        runtime=runtime,
        declaration=declaration,
    )


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
            latest | {"openapi_extra": {"parameters": parameters(LatestQuery)}},
        ),
        (
            "/stream",
            _stream(features),
            {"response_class": StreamingResponse, "responses": streamed | {200: stream}},
        ),
        ("/{minute}", _minute(features), latest),
        ("", _between(features), {"response_model": answers.rows, "responses": many | {200: ok}}),
    )
    for prefix in PREFIXES:
        for path, endpoint, options in routes:
            app.add_api_route(
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


def _between(features: Features) -> Callable[..., Any]:
    one_at_a_time = anyio.CapacityLimiter(1)

    async def between(request: Request, query: Annotated[RangeQuery, Query()]) -> Response:
        """Return the rows of a range of minutes, oldest first."""
        media_type = formats.choose(",".join(request.headers.getlist("Accept")))
        if media_type is None:
            raise HTTPException(HTTPStatus.NOT_ACCEPTABLE, formats.NOT_ACCEPTABLE)
        fields = logic.parse_fields(query.fields, features.names)
        first_s, last_s = query.minutes()
        now_ms = features.feed_clock.now_ms()
        last_s = logic.minute_of(now_ms) if last_s is None else last_s
        page = logic.page(first_s=first_s, last_s=last_s, limit=query.limit, feed_time_ms=now_ms)
        found = await features.ranges.rows(logic.minutes_between(page.first_s, page.last_s))
        now_ms = features.feed_clock.now_ms()
        rows = [each.row for each in found]
        cursor = logic.cursor(page, last_s)
        tag = logic.range_etag([each.tag for each in found], str(cursor), media_type)
        headers = NO_CACHE | {"ETag": tag, "Vary": "Accept"}
        if rows:
            newest_s = max(float(row[EVENT_TIME]) for row in rows)
            headers["Last-Modified"] = formatdate(newest_s, usegmt=True)
        if cursor and media_type != formats.JSON:
            rest = urlencode(_rest(query, cursor))
            headers["Link"] = f'<{request.url.path}?{rest}>; rel="next"'
        if _has_it(request, tag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if media_type == formats.JSON:
            answers = b",".join([each.answer(now_ms, fields) for each in found])
            following = f'"{cursor}"' if cursor else "null"
            end = f'],"next":{following},"as_of":"{logic.as_of(now_ms)}"}}'
            body = b'{"rows":[' + answers + end.encode()
        else:
            # In a thread, and not many: other answers must not wait.
            chosen = [each for each in features.declaration.features if each.name in fields]
            body = await anyio.to_thread.run_sync(
                formats.encode, media_type, rows, chosen, limiter=one_at_a_time
            )
        return Response(body, headers=headers, media_type=media_type)

    return between


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
    if _has_it(request, row.tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=row.headers)
    return Response(row.answer(feed_time_ms, fields), headers=row.headers, media_type=formats.JSON)


def _has_it(request: Request, tag: str) -> bool:
    return logic.is_match(",".join(request.headers.getlist("If-None-Match")), tag)


def _rest(query: RangeQuery, cursor: str) -> dict[str, str]:
    rest = {"cursor": cursor, "limit": str(query.limit)}
    return rest if query.fields is None else rest | {"fields": query.fields}


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
