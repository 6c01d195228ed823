"""Bearer tokens (RFC 6750): who may read the features, if not everybody."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from txfeatures.domain.errors import TransientError
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime
from txfeatures_api import problems

OPEN_PATHS = frozenset({"/", "/docs", "/openapi.json"})
OPEN_FOLDERS = ("/assets/", "/docs/")
"""Paths without data: the page's and the documentation's own files."""

_SCHEME = b"bearer "

log = get_logger(__name__)


class UnauthenticatedError(Exception):
    """A token that is not accepted; the message says why, for the log."""


class Authenticator(Protocol):
    """A way to authenticate."""

    async def client_of(self, token: bytes) -> str:
        """Return the name of the client that ``token`` belongs to.

        Raises:
            UnauthenticatedError: It is not accepted.
            TransientError: Nobody can tell for now.
        """
        ...


class Tokens:
    """Tokens that are known by their SHA-256 hashes, so that no setting holds a token.

    The tokens are long and random, so a fast hash is enough.
    """

    def __init__(self, clients: Mapping[str, str]) -> None:
        self._clients = {bytes.fromhex(digest): client for client, digest in clients.items()}

    async def client_of(self, token: bytes) -> str:
        """Return the name of the client that ``token`` belongs to."""
        digest = hashlib.sha256(token).digest()
        found = [
            client for known, client in self._clients.items() if hmac.compare_digest(known, digest)
        ]
        if not found:
            raise UnauthenticatedError("the token is unknown")
        return found[0]


class Authentication:
    """ASGI middleware that lets through who sends a token that one authenticator accepts."""

    def __init__(
        self, app: ASGIApp, *, authenticators: Sequence[Authenticator], runtime: Runtime
    ) -> None:
        self._app = app
        self._authenticators = authenticators
        self._metrics = runtime.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or answer it with a problem."""
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            client = await self._client_of(scope)
        except UnauthenticatedError as error:
            log.info("request_unauthenticated", reason=str(error))
            await self._refuse(scope, receive, send, is_wrong=bool(_token(scope)))
        except TransientError as error:
            await problems.unavailable(scope, error)(scope, receive, send)
        else:
            bind_contextvars(client=client)
            await self._app(scope, receive, send)

    async def _client_of(self, scope: Scope) -> str:
        token = _token(scope)
        if not token:
            raise UnauthenticatedError("there is no bearer token")
        reasons = []
        for authenticator in self._authenticators:
            try:
                return await authenticator.client_of(token)
            except UnauthenticatedError as error:
                reasons.append(str(error))
        raise UnauthenticatedError("; ".join(reasons))

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, *, is_wrong: bool) -> None:
        self._metrics.count("refused_total", reason="unauthenticated")
        challenge = 'Bearer realm="txfeatures"'
        if is_wrong:
            challenge += ', error="invalid_token"'
        detail = (
            "The token is not accepted; get a new one."
            if is_wrong
            else problems.EXAMPLES[HTTPStatus.UNAUTHORIZED]
        )
        headers = {"WWW-Authenticate": challenge}
        refusal = problems.response(scope, HTTPStatus.UNAUTHORIZED, detail, headers)
        await refusal(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _token(scope: Scope) -> bytes:
    """Return the one token of a request; empty if it has none."""
    values: list[bytes] = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1 or values[0][: len(_SCHEME)].lower() != _SCHEME:
        return b""
    return values[0][len(_SCHEME) :].strip()
