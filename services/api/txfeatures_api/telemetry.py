"""Metrics of requests, labelled by the route's template and never by the request's path."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from txfeatures.process.runtime import Runtime

UNKNOWN_ROUTE = "unknown"


class RequestMetrics:
    """ASGI middleware: from the request to the answer's last byte."""

    def __init__(self, app: ASGIApp, *, runtime: Runtime) -> None:
        self._app = app
        self._metrics = runtime.metrics
        self._clock = runtime.clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request and observe the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR  # the answer to a crash, further out
        start_s = self._clock.monotonic()

        async def watch(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
            self._metrics.count("requests_total", route=route, status=str(status))
            duration_s = self._clock.monotonic() - start_s
            self._metrics.observe("request_duration_seconds", duration_s, route=route)
