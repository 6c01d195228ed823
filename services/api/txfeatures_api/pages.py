"""The route of a range of minutes, which answers with a page of it.

A page has up to 1,000 rows. All clients share one event loop, so no page holds it for long: pages
are encoded one after another, in slices between which other requests have their turn.
"""

import asyncio
from collections.abc import Callable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import Query, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from txfeatures_api import formats, logic
from txfeatures_api.conditional import NO_CACHE, has_it
from txfeatures_api.features import Features
from txfeatures_api.queries import RangeQuery
from txfeatures_api.served import ServedRow

SLICE_ROWS = 100
"""Rows that are encoded in one turn of the event loop: less than a millisecond."""


def between(features: Features) -> Callable[..., Any]:
    """Return the endpoint."""
    one_thread = anyio.CapacityLimiter(1)
    one_page = asyncio.Lock()

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
        minutes = logic.minutes_between(page.first_s, page.last_s)
        await features.ranges.read(minutes)
        async with one_page:
            found = features.rows.known(minutes)
            cursor = logic.cursor(page, last_s)
            tag = logic.range_etag([each.tag for each in found], str(cursor), media_type)
            headers = NO_CACHE | {"ETag": tag, "Vary": "Accept"}
            if found:
                newest_s = max([each.event_time_s for each in found])
                headers["Last-Modified"] = formatdate(newest_s, usegmt=True)
            if cursor and media_type != formats.JSON:
                rest = urlencode(_rest(query, cursor))
                headers["Link"] = f'<{request.url.path}?{rest}>; rel="next"'
            if has_it(request, tag):
                return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
            if media_type == formats.JSON:
                body = await _json(found, features.feed_clock.now_ms(), fields, cursor)
                return Response(body, headers=headers, media_type=media_type)
        chosen = [each for each in features.declaration.features if each.name in fields]
        rows = [each.row for each in found]
        body = await anyio.to_thread.run_sync(
            formats.encode, media_type, rows, chosen, limiter=one_thread
        )
        return Response(body, headers=headers, media_type=media_type)

    return between


async def _json(
    rows: Sequence[ServedRow], feed_time_ms: int, fields: logic.Fields, cursor: str | None
) -> bytes:
    answers: list[bytes] = []
    for start in range(0, len(rows), SLICE_ROWS):
        answers += [row.answer(feed_time_ms, fields) for row in rows[start : start + SLICE_ROWS]]
        await asyncio.sleep(0)  # the turn of others
    following = f'"{cursor}"' if cursor else "null"
    end = f'],"next":{following},"as_of":"{logic.as_of(feed_time_ms)}"}}'
    return b'{"rows":[' + b",".join(answers) + end.encode()


def _rest(query: RangeQuery, cursor: str) -> dict[str, str]:
    rest = {"cursor": cursor, "limit": str(query.limit)}
    return rest if query.fields is None else rest | {"fields": query.fields}
