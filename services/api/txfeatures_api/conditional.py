"""Conditional requests (RFC 9110, 13): a client that has an answer gets no body."""

from fastapi import Request

from txfeatures_api import logic

NO_CACHE = {"Cache-Control": "no-cache"}
"""An answer may be kept, but must be revalidated: it is true for a second."""


def has_it(request: Request, tag: str) -> bool:
    """Return whether the client has the answer with the entity tag ``tag``."""
    return logic.is_match(",".join(request.headers.getlist("If-None-Match")), tag)
