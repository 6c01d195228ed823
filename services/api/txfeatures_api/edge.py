"""The edge of the public port: every request passes it before any route.

It names the request, refuses what no route should meet, and puts the headers on the answer that
keep browsers from harm.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi.responses import Response
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from txfeatures.process.runtime import Runtime
from txfeatures_api import problems
from txfeatures_api.authentication import Authentication, Authenticator
from txfeatures_api.limits import BODY_BYTES, URL_BYTES
from txfeatures_api.request_context import KEY, RequestContext

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from another host. Swagger UI has its pictures in data: addresses."""

SECURITY: Sequence[tuple[bytes, bytes]] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)

_READ = frozenset({b"content-length", b"host", b"traceparent", b"x-request-id"})
_SENT_BY_CLIENTS = ("Authorization", "If-None-Match", "Last-Event-ID", "traceparent")
_READ_BY_CLIENTS = ("ETag", "Link", "Retry-After", "traceparent", "X-Request-ID")


class Edge:
    """ASGI middleware: the outermost one."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], runtime: Runtime) -> None:
        self._app = app
        self._hosts = frozenset(host.lower().encode() for host in hosts)
        self._metrics = runtime.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        found = {name: value for name, value in scope["headers"] if name in _READ}
        context = RequestContext.of(found.get(b"x-request-id"), found.get(b"traceparent"))
        scope[KEY] = context
        bind_contextvars(request_id=context.request_id, trace_id=context.trace_id)
        added = (
            (b"x-request-id", context.request_id.encode()),
            (b"traceparent", context.traceparent.encode()),
            *SECURITY,
        )

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                present = {name for name, _ in headers}
                missing = [header for header in added if header[0] not in present]
                message = {**message, "headers": [*headers, *missing]}
            await send(message)

        refusal = self._refusal(scope, found)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, found: Mapping[bytes, bytes]) -> Response | None:
        if len(scope["raw_path"]) + len(scope["query_string"]) > URL_BYTES:
            return self._refuse(
                scope,
                HTTPStatus.REQUEST_URI_TOO_LONG,
                f"The URL is longer than {URL_BYTES:,} bytes; send fewer parameters.",
                reason="url",
            )
        if int(found.get(b"content-length", b"0")) > BODY_BYTES:
            return self._refuse(
                scope,
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "No route takes a body; send the request without one.",
                reason="body",
            )
        if self._hosts and _host(found.get(b"host", b"")) not in self._hosts:
            return self._refuse(
                scope,
                HTTPStatus.MISDIRECTED_REQUEST,
                "The api is not served under the name in Host; use its own address.",
                reason="host",
            )
        return None

    def _refuse(self, scope: Scope, status: HTTPStatus, detail: str, *, reason: str) -> Response:
        self._metrics.count("refused_total", reason=reason)
        return problems.response(scope, status, detail)


def protect(
    app: ASGIApp,
    *,
    hosts: Sequence[str],
    origins: Sequence[str],
    authenticators: Sequence[Authenticator],
    runtime: Runtime,
) -> ASGIApp:
    """Return ``app`` behind the edge.

    Args:
        app: The application.
        hosts: The names that it is served under; any if empty.
        origins: Origins whose pages may read its answers, `*` for all.
        authenticators: Ways for clients to authenticate; all clients are served if empty.
        runtime: The metrics.
    """
    if authenticators:
        app = Authentication(app, authenticators=authenticators, runtime=runtime)
    if origins:  # outside: browsers send preflights without a token, and read refusals too
        app = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=("GET", "HEAD"),
            allow_headers=_SENT_BY_CLIENTS,
            expose_headers=_READ_BY_CLIENTS,
        )
    return Edge(app, hosts=hosts, runtime=runtime)


def _host(header: bytes) -> bytes:
    """Return the name in a Host header, without the port."""
    name, _, port = header.lower().rpartition(b":")
    return name if name and port.isdigit() else header.lower()
