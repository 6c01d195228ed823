"""Errors as RFC 9457 problem details: one shape for every error."""

import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from txfeatures.domain.errors import FatalError, InvalidMessageError, TransientError
from txfeatures.process.logs import get_logger

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1.0
"""The default of an error without its own: rows change about once a second."""

log = get_logger(__name__)


class Problem(BaseModel):
    """A problem in the form of RFC 9457."""

    type: str = Field(description="about:blank: the status is the kind of the problem.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status code.")
    detail: str = Field(description="One sentence with the next thing to do.")
    instance: str = Field(description="Path of the request.")


def responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the problems that a route may answer."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}


def install(app: FastAPI) -> None:
    """Answer every error of a request with a problem."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


def _problem(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
    )
    return JSONResponse(
        problem.model_dump(),
        status_code=status,
        headers={"Cache-Control": "no-store"} | (headers or {}),
        media_type=MEDIA_TYPE,
    )


def _on_http_error(request: Request, error: Any) -> JSONResponse:
    detail = error.detail
    if detail == HTTPStatus(error.status_code).phrase:  # the router's own errors have no more
        detail = f"{request.method} {request.url.path} is not served here; /docs lists the routes."
    return _problem(request, error.status_code, detail, error.headers)


def _on_bad_parameter(request: Request, error: Any) -> JSONResponse:
    mistakes = (f"{mistake['loc'][-1]}: {mistake['msg']}" for mistake in error.errors())
    return _problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, f"{'; '.join(mistakes)}.")


def _on_bad_value(request: Request, error: Any) -> JSONResponse:
    return _problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, error.detail)


def _on_unavailable(request: Request, error: Any) -> JSONResponse:
    log.warning("request_unavailable", path=request.url.path, error=str(error))
    asked_s = error.retry_after_s if isinstance(error, TransientError) else None
    seconds = math.ceil(RETRY_AFTER_S if asked_s is None else asked_s)
    headers = {"Retry-After": str(seconds)}
    return _problem(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers)


def _on_defect(request: Request, _: Any) -> JSONResponse:
    detail = "A defect of the api; its log has more, please report it."
    return _problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, detail)


_HANDLERS: dict[type[Exception], Any] = {
    HTTPException: _on_http_error,
    RequestValidationError: _on_bad_parameter,
    InvalidMessageError: _on_bad_value,
    TransientError: _on_unavailable,
    FatalError: _on_unavailable,
    Exception: _on_defect,
}
