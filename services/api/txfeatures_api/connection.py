"""HTTP connections that end in time, whatever the client does.

uvicorn has no limit on the time that a request takes to arrive or an answer to be read, and none
on idle connections. `BoundedConnection` adds them, as timers beside uvicorn's own protocol.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from txfeatures_api import problems
from txfeatures_api.limits import BODY_BYTES, HEADER_BYTES, LINGER_S, Limits
from txfeatures_api.request_context import RequestContext

_END_OF_HEADER = b"\r\n\r\n"


class BoundedConfig(uvicorn.Config):
    """uvicorn's configuration with our limits, shared by all connections of a server."""

    def __init__(
        self, app: Any, *, limits: Limits, on_refusal: Callable[[str], None], **options: Any
    ) -> None:
        super().__init__(
            app,
            http=BoundedConnection,
            ws="none",
            timeout_keep_alive=limits.keep_alive_s,
            h11_max_incomplete_event_size=HEADER_BYTES,
            **options,
        )
        self.limits = limits
        self.on_refusal = on_refusal
        self.waiting: dict[BoundedConnection, None] = {}
        """Connections without a whole header, that of the longest wait first."""


class BoundedConnection(H11Protocol):
    """A connection with limits on time, size and number.

    A connection too many takes the place of the one that has waited longest for a request.
    """

    def __init__(
        self,
        config: BoundedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = config
        self._limits = config.limits
        self._arrival: asyncio.TimerHandle | None = None
        self._departure: asyncio.TimerHandle | None = None
        self._is_refused = False
        self._header_bytes = 0
        self._body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or the longest wait or this one ends."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            if not self._bounds.waiting:
                self._refuse(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "There are too many connections; try again in a second.",
                    reason="connections",
                )
                return
            longest = next(iter(self._bounds.waiting))
            longest.give_way()
        self._bounds.waiting[self] = None
        self._arrival = self.loop.call_later(self._limits.receive_s, self._on_late_request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        super().connection_lost(exc)
        self._bounds.waiting.pop(self, None)
        self._disarm()
        if self._departure is not None:
            self._departure.cancel()

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request, unless it makes the request too large."""
        if self._is_refused:
            return
        if self.conn.their_state is h11.IDLE:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES and self._refuse_long_header(data):
                return
        elif self.conn.their_state is h11.SEND_BODY:
            self._body_bytes += len(data)
            if self._body_bytes > BODY_BYTES:
                self._refuse(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "No route takes a body; send the request without one.",
                    reason="body",
                )
                return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self._is_refused:
            self._watch()

    def pause_writing(self) -> None:
        """Give the client a time to read what was sent."""
        super().pause_writing()
        self._departure = self.loop.call_later(self._limits.send_s, self._on_late_reader)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        if self._departure is not None:
            self._departure.cancel()
            self._departure = None

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, f"{msg} Send HTTP/1.1.", reason="malformed")

    def give_way(self) -> None:
        """End the connection, which waits for a request, in favour of a new one."""
        self._bounds.on_refusal("evicted")
        self._end()

    def _watch(self) -> None:
        """Follow the request: arriving, or whole, or none."""
        state = self.conn.their_state
        if state is h11.IDLE:
            self._body_bytes = 0
            self._bounds.waiting.setdefault(self, None)
        else:
            self._header_bytes = 0
            self._bounds.waiting.pop(self, None)
        is_arriving = state is h11.SEND_BODY or (state is h11.IDLE and self._header_bytes > 0)
        if not is_arriving:
            self._disarm()
        elif self._arrival is None:
            self._arrival = self.loop.call_later(self._limits.receive_s, self._on_late_request)

    def _disarm(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _refuse_long_header(self, data: bytes) -> bool:
        """Refuse the request if its header is too long; return whether it was."""
        received = self.conn.trailing_data[0] + data
        if _END_OF_HEADER in received[: HEADER_BYTES + len(_END_OF_HEADER)]:
            return False  # the rest is another request, or a body
        if b"\n" in received[:HEADER_BYTES]:
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"The headers are larger than {HEADER_BYTES:,} bytes; send fewer or shorter ones.",
                reason="header_size",
            )
        else:
            self._refuse(
                HTTPStatus.REQUEST_URI_TOO_LONG,
                "The URL is too long; send fewer parameters.",
                reason="url",
            )
        return True

    def _on_late_request(self) -> None:
        if self._header_bytes == 0 and self.conn.their_state is h11.IDLE:
            self._end()  # nothing was sent, so nothing is answered
            return
        self._refuse(
            HTTPStatus.REQUEST_TIMEOUT,
            f"The request did not arrive in {self._limits.receive_s:g} s; send it again at once.",
            reason="receive_time",
        )

    def _on_late_reader(self) -> None:
        self._bounds.on_refusal("send_time")
        self.transport.abort()

    def _end(self) -> None:
        self._is_refused = True
        self._bounds.waiting.pop(self, None)
        self._disarm()
        self._unset_keepalive_if_required()
        self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str, *, reason: str) -> None:
        """End the connection, with an answer if none is under way."""
        self._bounds.on_refusal(reason)
        if self.cycle is not None and not self.cycle.response_complete:
            self._end()
            return
        is_answered = self.cycle is not None and self.conn.our_state is not h11.IDLE
        self._is_refused = True
        self._bounds.waiting.pop(self, None)
        self._disarm()
        self._unset_keepalive_if_required()
        if not is_answered:
            self.transport.write(_answer(status, detail))
        self.transport.write_eof()
        self._arrival = self.loop.call_later(LINGER_S, self.transport.abort)


def _answer(status: HTTPStatus, detail: str) -> bytes:
    """Return a whole answer that closes the connection."""
    context = RequestContext.of()
    body = problems.body(status, detail, "", context)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {problems.MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        f"X-Request-ID: {context.request_id}",
        f"traceparent: {context.traceparent}",
        "Connection: close",
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append("Retry-After: 1")
    return "\r\n".join(lines).encode() + _END_OF_HEADER + body
