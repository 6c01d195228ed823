"""Tokens of an OpenID Connect provider: signed JWTs, checked against the keys it publishes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import jwt

from txfeatures.domain.errors import TransientError
from txfeatures.process.clock import Clock
from txfeatures.process.logs import get_logger
from txfeatures_api.authentication import UnauthenticatedError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures by a private key alone: who knows the published key can't sign with it."""

REQUIRED = ("aud", "exp", "iss", "sub")

MAX_AGE_S = 300.0
"""Keys are fetched again when they are older."""

PAUSE_S = 10.0
"""Least time between two fetches: forged key ids can't make us flood the issuer."""

TIMEOUT_S = 5.0
DISCOVERY = "/.well-known/openid-configuration"

Fetch = Callable[[], Awaitable[dict[str, Any]]]

log = get_logger(__name__)


class Keys:
    """The signing keys of an issuer by their ids.

    The last keys stay in use while the issuer is down.
    """

    def __init__(self, fetch: Fetch, *, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK:
        """Return a key.

        Raises:
            UnauthenticatedError: The issuer has no such key.
            TransientError: No key has ever been fetched.
        """
        if self._is_due(key_id) and not (key_id in self._keys and self._fetching.locked()):
            async with self._fetching:
                if self._is_due(key_id):  # not while another request fetched them
                    await self._refresh()
        if key_id in self._keys:
            return self._keys[key_id]
        if self._fetched_s is None:
            raise TransientError("the issuer's keys can't be fetched", retry_after_s=PAUSE_S)
        raise UnauthenticatedError("no key of the issuer has the token's key id")

    def _is_due(self, key_id: str) -> bool:
        now_s = self._clock.monotonic()
        if self._tried_s is not None and now_s - self._tried_s < PAUSE_S:
            return False
        is_old = self._fetched_s is None or now_s - self._fetched_s >= MAX_AGE_S
        return is_old or key_id not in self._keys

    async def _refresh(self) -> None:
        try:
            found = jwt.PyJWKSet.from_dict(await self._fetch())
        except (httpx.HTTPError, httpx.InvalidURL, jwt.PyJWTError, ValueError) as error:
            log.warning("issuer_keys_not_fetched", error=f"{type(error).__name__}: {error}")
        else:
            self._keys = {key.key_id: key for key in found.keys if key.key_id}
            self._fetched_s = self._clock.monotonic()
        self._tried_s = self._clock.monotonic()


class OpenId:
    """Accepts the access tokens that an issuer has signed for an audience."""

    def __init__(self, *, issuer: str, audience: str, leeway_s: float, keys: Keys) -> None:
        self._issuer = issuer
        self._audience = audience
        self._leeway_s = leeway_s
        self._keys = keys

    async def client_of(self, token: bytes) -> str:
        """Return the subject that ``token`` was issued for."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise UnauthenticatedError("the token's algorithm is not accepted")
            claims = jwt.decode(
                token,
                key=await self._keys.key(str(header.get("kid"))),
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_s,
                options={"require": list(REQUIRED)},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise UnauthenticatedError(f"{type(error).__name__}: {error}") from error
        return str(claims["sub"])


def fetch_from(issuer: str) -> Fetch:
    """Return the function that finds and fetches the keys of ``issuer``."""

    async def fetch() -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            discovered = await _get(client, issuer.rstrip("/") + DISCOVERY)
            if discovered.get("issuer") != issuer:
                raise ValueError(f"{DISCOVERY} names another issuer")
            return await _get(client, str(discovered.get("jwks_uri")))

    return fetch


async def _get(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await client.get(url)
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError(f"{url} is not a JSON object")  # noqa: TRY004 - of the issuer
    return found
