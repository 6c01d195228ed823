import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.responses import PlainTextResponse

from txfeatures.domain.errors import SettingsError
from txfeatures.process.clock import ManualClock, SystemClock
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import load
from txfeatures_api.authentication import Authenticator, Tokens
from txfeatures_api.edge import protect
from txfeatures_api.openid import MAX_AGE_S, PAUSE_S, Keys, OpenId
from txfeatures_api.settings import Settings

ISSUER, AUDIENCE = "https://login.example.com", "features"
NOW_S = int(SystemClock().now())
LEEWAY_S = 600.0
"""Longer than the tests may take after this module was imported."""


class Issuer:
    """An issuer that signs real tokens, rotates its keys, and may be down."""

    def __init__(self) -> None:
        self.fetches = 0
        self.is_down = False
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate("one")

    def rotate(self, key_id: str) -> None:
        self._keys = {key_id: rsa.generate_private_key(65_537, 2_048)}
        self.key_id = key_id

    async def fetch(self) -> dict[str, Any]:
        self.fetches += 1
        if self.is_down:
            raise httpx.ConnectError("no route")
        algorithm = jwt.algorithms.RSAAlgorithm
        return {
            "keys": [
                json.loads(algorithm.to_jwk(key.public_key())) | {"kid": key_id, "use": "sig"}
                for key_id, key in self._keys.items()
            ]
        }

    @property
    def public_pem(self) -> bytes:
        public = self._keys[self.key_id].public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(self, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        every = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "exp": NOW_S + 3_600} | claims
        kept = {name: value for name, value in every.items() if value is not None}
        headers = {"kid": self.key_id} | (headers or {})
        return jwt.encode(kept, self._keys[self.key_id], algorithm="RS256", headers=headers)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def openid(issuer: Issuer, clock: ManualClock) -> OpenId:
    keys = Keys(issuer.fetch, clock=clock)
    return OpenId(issuer=ISSUER, audience=AUDIENCE, leeway_s=LEEWAY_S, keys=keys)


def ask(
    runtime: Runtime, token: str | None, *authenticators: Authenticator, path: str = "/v1/features"
) -> httpx.Response:
    app = protect(
        PlainTextResponse("data"),
        hosts=[],
        origins=[],
        authenticators=authenticators,
        runtime=runtime,
    )

    async def send() -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


def test_a_known_token_is_accepted_and_no_other(runtime: Runtime) -> None:
    tokens = Tokens({"desk": hashlib.sha256(b"right").hexdigest()})
    assert ask(runtime, "right", tokens).text == "data"
    for wrong in ("wrong", hashlib.sha256(b"right").hexdigest(), "right right"):
        answer = ask(runtime, wrong, tokens)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_without_a_token_only_what_holds_no_data_is_served(runtime: Runtime) -> None:
    tokens = Tokens({"desk": hashlib.sha256(b"right").hexdigest()})
    missing = ask(runtime, None, tokens)
    assert missing.status_code == 401
    assert missing.headers["WWW-Authenticate"] == 'Bearer realm="txfeatures"'
    for path in ("/", "/docs", "/docs/start.js", "/openapi.json", "/assets/1/page.js"):
        assert ask(runtime, None, tokens, path=path).status_code == 200
    for path in ("/features/latest", "/docsx", "/v1/pipeline", "/assets"):
        assert ask(runtime, None, tokens, path=path).status_code == 401


def test_a_token_of_the_issuer_is_accepted(
    runtime: Runtime, issuer: Issuer, openid: OpenId
) -> None:
    for _ in range(3):
        assert ask(runtime, issuer.token(), openid).text == "data"
    assert ask(runtime, issuer.token(exp=NOW_S - 10), openid).text == "data"  # within the leeway
    assert issuer.fetches == 1


def unsigned(issuer: Issuer) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "exp": NOW_S + 3_600}
    return jwt.encode(claims, "", algorithm="none", headers={"kid": issuer.key_id})


def signed_by_the_public_key(issuer: Issuer) -> str:
    """The published key used as the secret of an HMAC."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk", "exp": NOW_S + 3_600}
    header = {"alg": "HS256", "typ": "JWT", "kid": issuer.key_id}
    message = part(json.dumps(header).encode()) + b"." + part(json.dumps(claims).encode())
    signature = hmac.digest(issuer.public_pem, message, "sha256")
    return (message + b"." + part(signature)).decode()


def signed_by_another(issuer: Issuer) -> str:
    return Issuer().token()


@pytest.mark.parametrize(
    "forge",
    [
        lambda issuer: issuer.token(exp=NOW_S - 3_600),
        lambda issuer: issuer.token(exp=None),
        lambda issuer: issuer.token(nbf=NOW_S + 7_200),
        lambda issuer: issuer.token(aud="other"),
        lambda issuer: issuer.token(aud=None),
        lambda issuer: issuer.token(iss="https://login.example.com/"),
        lambda issuer: issuer.token(sub=None),
        lambda issuer: issuer.token(headers={"kid": "unknown"}),
        lambda issuer: issuer.token()[:-8] + "AAAAAAAA",
        unsigned,
        signed_by_the_public_key,
        signed_by_another,
        lambda issuer: "a.b.c",
    ],
    ids=[
        *("expired", "for ever", "not yet", "another audience", "no audience", "another issuer"),
        *("nobody's", "unknown key", "altered", "alg none", "hmac by the public key"),
        *("another's key", "no json"),
    ],
)
def test_a_token_that_proves_nothing_is_refused(
    forge: Any, runtime: Runtime, issuer: Issuer, openid: OpenId
) -> None:
    assert ask(runtime, issuer.token(), openid).status_code == 200
    assert ask(runtime, forge(issuer), openid).status_code == 401


def test_a_rotated_key_is_found_soon_and_the_old_one_is_dropped(
    runtime: Runtime, issuer: Issuer, openid: OpenId, clock: ManualClock
) -> None:
    old = issuer.token()
    assert ask(runtime, old, openid).status_code == 200
    issuer.rotate("two")
    clock.advance(PAUSE_S)
    assert ask(runtime, issuer.token(), openid).status_code == 200
    assert ask(runtime, old, openid).status_code == 401


def test_unknown_keys_do_not_flood_the_issuer(
    runtime: Runtime, issuer: Issuer, openid: OpenId, clock: ManualClock
) -> None:
    ask(runtime, issuer.token(), openid)
    for number in range(20):
        forged = issuer.token(headers={"kid": f"forged-{number}"})
        assert ask(runtime, forged, openid).status_code == 401
        clock.advance(1)
    assert issuer.fetches == 2


def test_the_known_keys_stay_in_use_while_the_issuer_is_down(
    runtime: Runtime, issuer: Issuer, openid: OpenId, clock: ManualClock
) -> None:
    assert ask(runtime, issuer.token(), openid).status_code == 200
    issuer.is_down = True
    clock.advance(MAX_AGE_S)
    assert ask(runtime, issuer.token(), openid).status_code == 200
    assert issuer.fetches == 2


def test_an_issuer_that_is_down_from_the_start_is_no_fault_of_the_client(
    runtime: Runtime, issuer: Issuer, openid: OpenId
) -> None:
    issuer.is_down = True
    answer = ask(runtime, issuer.token(), openid)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "no route" not in answer.text


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"TXF_API_TOKENS": "desk=abc"}, "TXF_API_TOKENS=...: .*NAME=HEX"),
        ({"TXF_API_OIDC_ISSUER": ISSUER}, "go together"),
        ({"TXF_API_OIDC_AUDIENCE": AUDIENCE}, "go together"),
        ({"TXF_API_CORS_ORIGINS": "desk.example.com"}, "TXF_API_CORS_ORIGINS"),
    ],
)
def test_a_setting_that_would_leave_a_door_open_is_refused(
    environ: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=sentence):
        load(Settings)
