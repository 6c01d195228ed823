"""The names of a request: its id, and its place in a trace (W3C Trace Context)."""

import re
import secrets
from dataclasses import dataclass
from typing import Self

from starlette.types import Scope

KEY = "txfeatures.context"
"""Key of the ASGI scope."""

REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")
"""Ids that are taken over: short, and harmless in a log and in a header."""

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """The id of a request and its span in a trace.

    Attributes:
        request_id: The client's `X-Request-ID`, or a new one.
        trace_id: The trace of the client's `traceparent`, or a new one.
        traceparent: The trace, the request's own span in it, and the client's choice to sample.
    """

    request_id: str
    trace_id: str
    traceparent: str

    @classmethod
    def of(cls, request_id: bytes | None = None, traceparent: bytes | None = None) -> Self:
        """Return the context that a request's headers continue; what is malformed is ignored."""
        random = secrets.token_hex(40)  # one call for all three
        trace_id, flags = _continued(traceparent) or (random[:32], 0)
        is_harmless = REQUEST_ID.fullmatch(request_id or b"")
        return cls(
            request_id=request_id.decode() if request_id and is_harmless else random[32:64],
            trace_id=trace_id,
            traceparent=f"00-{trace_id}-{random[64:]}-{flags:02x}",
        )


def context_of(scope: Scope) -> RequestContext:
    """Return the context of a request, a new one if it has none yet."""
    context = scope.setdefault(KEY, None) or RequestContext.of()
    scope[KEY] = context
    return context


def _continued(traceparent: bytes | None) -> tuple[str, int] | None:
    """Return the trace and the flags to go on with; None for a new trace, unsampled."""
    if traceparent is not None and (found := _TRACEPARENT.fullmatch(traceparent)):
        version, trace_id, parent_id, flags, more = found.groups()
        is_valid = version != b"ff" and not (version == b"00" and more)
        if is_valid and int(trace_id, 16) and int(parent_id, 16):
            return trace_id.decode(), int(flags, 16) & _SAMPLED
    return None
