"""The routes of Swagger UI; its files come with the package fastapi-standalone-docs."""

import gzip
from functools import cache
from http import HTTPStatus
from importlib import metadata, resources

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

CARRIER = "fastapi_standalone_docs"
MEDIA_TYPES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
}
A_DAY = "public, max-age=86400"


def add_docs(app: FastAPI) -> None:
    """Serve the documentation at ``/docs``, and its files under ``/docs/``."""
    page = (resources.files(__package__) / "index.html").read_bytes()
    tag = f'"{app.version}-{metadata.version(CARRIER)}"'

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        headers = {"Cache-Control": "no-cache"}
        return Response(page, media_type="text/html; charset=utf-8", headers=headers)

    @app.get("/docs/{name}", include_in_schema=False)
    async def file(request: Request, name: str) -> Response:
        if name not in MEDIA_TYPES:
            raise HTTPException(HTTPStatus.NOT_FOUND, "The documentation has no such file.")
        headers = {"Cache-Control": A_DAY, "ETag": tag, "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        is_compressed = "gzip" in request.headers.get("Accept-Encoding", "")
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        body = _compressed(name) if is_compressed else _read(name)
        return Response(body, media_type=MEDIA_TYPES[name], headers=headers)


@cache
def _read(name: str) -> bytes:
    own = resources.files(__package__) / name
    return (own if own.is_file() else _carried() / name).read_bytes()


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress(_read(name), mtime=0)


def _carried() -> resources.abc.Traversable:
    return resources.files(CARRIER) / "static" / "swagger"
