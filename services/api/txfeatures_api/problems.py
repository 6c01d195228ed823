"""Errors as RFC 9457 problem details: one shape for every error."""

import json
import math
from collections.abc import Mapping
from http import HTTPMethod, HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Scope

from txfeatures.domain.errors import FatalError, InvalidMessageError, TransientError
from txfeatures.process.logs import get_logger
from txfeatures_api.request_context import RequestContext, context_of
from txfeatures_api.unavailable import UnavailableError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1.0
"""The default of an error without its own: rows change about once a second."""

UNAVAILABLE = "The features can't be read for now; try again after the seconds of Retry-After."
REFUSED = "The api can't read its features, and its operator must act: its log has the reason."

EXAMPLES: Mapping[HTTPStatus, str] = {
    HTTPStatus.UNAUTHORIZED: "Send a token: `Authorization: Bearer ...`.",
    HTTPStatus.NOT_FOUND: "The minute 2031-01-01 00:00:00 has no row; "
    "the feed's clock stands at 2031-01-01T00:00:30.000Z.",
    HTTPStatus.NOT_ACCEPTABLE: "None of the formats in Accept is served here; /docs lists them.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "limit: Input should be less than or equal to 1000.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many streams; try again after the seconds of Retry-After.",
    HTTPStatus.SERVICE_UNAVAILABLE: UNAVAILABLE,
}

log = get_logger(__name__)


class Problem(BaseModel):
    """A problem in the form of RFC 9457."""

    type: str = Field(description="about:blank: the status is the kind of the problem.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status code.")
    detail: str = Field(description="One sentence with the next thing to do.")
    instance: str = Field(description="Path of the request.")
    request_id: str = Field(description="The request's id, as in X-Request-ID and in the log.")
    trace_id: str = Field(description="The request's trace, as in traceparent and in the log.")


def responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the problems that a route may answer."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        sentence = EXAMPLES.get(status, "A sentence with the next thing to do.")
        example = document(status, sentence, "/v1/features/latest", EXAMPLE)
        schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
        content = {MEDIA_TYPE: {"schema": schema, "example": example}}
        found[int(status)] = {"description": status.phrase, "content": content}
    return found


def install(app: FastAPI) -> None:
    """Answer every error of a request with a problem."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


def document(status: int, detail: str, path: str, context: RequestContext) -> dict[str, Any]:
    """Return the members of a problem."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "instance": path,
        "request_id": context.request_id,
        "trace_id": context.trace_id,
    }


def body(status: int, detail: str, path: str, context: RequestContext) -> bytes:
    """Return a problem as it is sent; a path is never trusted to be printable."""
    return json.dumps(document(status, detail, path, context)).encode()


def response(
    scope: Scope, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer to a request that failed."""
    return Response(
        body(status, detail, scope["path"], context_of(scope)),
        status_code=status,
        headers={"Cache-Control": "no-store"} | dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def unavailable(scope: Scope, error: Exception) -> Response:
    """Return the answer to a request that a part of the api can't serve; its log has the cause."""
    log.warning("request_unavailable", path=scope["path"], error=str(error))
    asked_s = error.retry_after_s if isinstance(error, TransientError) else None
    headers = {"Retry-After": str(math.ceil(RETRY_AFTER_S if asked_s is None else asked_s))}
    detail = UNAVAILABLE if isinstance(error, TransientError) else REFUSED
    if isinstance(error, UnavailableError):
        detail = str(error)
    return response(scope, HTTPStatus.SERVICE_UNAVAILABLE, detail, headers)


def _on_http_error(request: Request, error: Any) -> Response:
    detail, headers = error.detail, dict(error.headers or {})
    path = request.scope["path"]
    if detail == HTTPStatus(error.status_code).phrase:  # the router's own errors have no more
        detail = f"{request.method} {path} is not served here; /docs lists the routes."
    if HTTPMethod.GET in headers.get("Allow", ""):
        headers["Allow"] = "GET, HEAD"
    return response(request.scope, error.status_code, detail, headers)


def _on_bad_parameter(request: Request, error: Any) -> Response:
    mistakes = (f"{mistake['loc'][-1]}: {mistake['msg']}" for mistake in error.errors())
    return response(request.scope, HTTPStatus.UNPROCESSABLE_ENTITY, f"{'; '.join(mistakes)}.")


def _on_bad_value(request: Request, error: Any) -> Response:
    return response(request.scope, HTTPStatus.UNPROCESSABLE_ENTITY, error.detail)


def _on_unavailable(request: Request, error: Any) -> Response:
    return unavailable(request.scope, error)


def _on_defect(request: Request, _: Any) -> Response:
    detail = "A defect of the api; report it with the request_id, under which its log has more."
    return response(request.scope, HTTPStatus.INTERNAL_SERVER_ERROR, detail)


EXAMPLE = RequestContext(
    request_id="5f2b1c0e9d8a4b7f8e6d5c4b3a291807",
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)

_HANDLERS: dict[type[Exception], Any] = {
    HTTPException: _on_http_error,
    RequestValidationError: _on_bad_parameter,
    InvalidMessageError: _on_bad_value,
    TransientError: _on_unavailable,
    FatalError: _on_unavailable,
    Exception: _on_defect,
}
