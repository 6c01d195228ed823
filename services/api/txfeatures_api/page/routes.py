"""The routes of the live page and of its files."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from txfeatures_api.logic import is_match
from txfeatures_api.page.assets import Asset, load

FOR_EVER = "public, max-age=31536000, immutable"

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing inline, nothing evaluated, nothing from another host."""


def add_page(app: FastAPI) -> None:
    """Serve the live page at ``/``, and its files under ``/assets``."""
    assets = load()

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return _answer(request, assets.page, assets.version, "no-cache")

    @app.get("/assets/{version}/{name}", include_in_schema=False)
    async def asset(request: Request, version: str, name: str) -> Response:
        if version != assets.version or name not in assets.files:
            raise HTTPException(
                HTTPStatus.NOT_FOUND, "This file belongs to another release; load the page again."
            )
        return _answer(request, assets.files[name], version, FOR_EVER)


def _answer(request: Request, asset: Asset, version: str, caching: str) -> Response:
    is_compressed = "gzip" in request.headers.get("Accept-Encoding", "")
    # A strong tag names bytes, and the compressed ones are others.
    tag = f'"{version}{"-gzip" if is_compressed else ""}"'
    headers = SECURITY | {"ETag": tag, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if is_match(",".join(request.headers.getlist("If-None-Match")), tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if is_compressed:
        headers["Content-Encoding"] = "gzip"
    body = asset.compressed if is_compressed else asset.body
    return Response(body, media_type=asset.media_type, headers=headers)
