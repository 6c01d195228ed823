"""Kafka's security: the properties of clients, and refusals explained by our settings.

Five ways, chosen by ``TXF_KAFKA_SECURITY``. All clients use them through
`txfeatures.kafka.client.connection`, so that none can differ from the others.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaError
from pydantic import SecretStr

from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.logs import get_logger
from txfeatures.process.settings import KafkaSettings

log = get_logger(__name__)

Token = tuple[str, float]
"""A token, and when it expires in seconds since the epoch: what librdkafka wants."""

REPEAT_S: Final = 10.0
"""Seconds until a refusal is logged again; a client tries several times a second."""


def security(settings: KafkaSettings) -> dict[str, Any]:
    """Return the properties by which a client and the brokers authenticate each other.

    Raises:
        FatalError: AWS signs no token for this process.
    """
    match settings.security:
        case "plaintext":
            return {}
        case "tls":
            return {"security.protocol": "ssl", **_authorities(settings)}
        case "mtls":
            return {
                "security.protocol": "ssl",
                "ssl.certificate.location": str(settings.client_certificate_file),
                "ssl.key.location": str(settings.client_key_file),
                **_authorities(settings),
                **_secret("ssl.key.password", settings.client_key_password),
            }
        case "scram":
            return {
                "security.protocol": "sasl_ssl",
                "sasl.mechanisms": settings.sasl_mechanism,
                "sasl.username": settings.sasl_username,
                **_authorities(settings),
                **_secret("sasl.password", settings.sasl_password),
            }
        case "msk_iam":
            tokens = MskTokens(settings.msk_region or "")
            # A client would wait ten seconds for its first token, and not report the cause.
            tokens.sign()
            return {
                "security.protocol": "sasl_ssl",
                "sasl.mechanisms": "OAUTHBEARER",
                "oauth_cb": tokens,
                # Small brokers of MSK accept four new connections a second (AWS's own example).
                "reconnect.backoff.ms": 1000,
                **_authorities(settings),
            }


class MskTokens:
    """Signs a token whenever a client requests one: librdkafka's ``oauth_cb``.

    The client requests it in a thread of its own, before it first connects and at four
    fifths of each token's life, even if it was idle. After a failure it tries again in ten
    seconds; its connections last until their sessions end.

    Args:
        region: The region of the MSK cluster.
    """

    def __init__(self, region: str) -> None:
        self._region = region

    def __call__(self, _: object) -> Token:
        """Return a new token; a failure is logged, because the client would swallow it."""
        try:
            return self.sign()
        except FatalError as error:
            log.error("kafka_token_failed", reason=str(error))
            raise

    def sign(self) -> Token:
        """Return a new token.

        Raises:
            FatalError: AWS signs none.
        """
        # It loads boto3, which is needed with MSK only.
        from aws_msk_iam_sasl_signer import (  # type: ignore[import-untyped]
            MSKAuthTokenProvider,
        )

        try:
            token, expires_at_ms = MSKAuthTokenProvider.generate_auth_token(self._region)
        except AttributeError as error:  # the signer assumes that it has found some
            raise _unsigned("no AWS credentials were found") from error
        except Exception as error:  # botocore has many kinds of errors
            raise _unsigned(f"{type(error).__name__}: {error}") from error
        return token, expires_at_ms / 1000


class Refusals:
    """Explains by our settings why brokers refuse a client: librdkafka's ``error_cb``.

    A client goes on trying by itself after any error, so this only logs, and only refusals;
    the client itself logs other errors.
    """

    def __init__(self, settings: KafkaSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._refusal: KafkaError | None = None
        self._quiet_until = -math.inf

    def __call__(self, error: KafkaError) -> None:
        """Log a refusal, unless one was logged a moment ago."""
        if not _is_about_tls(error) and error.code() != KafkaError._AUTHENTICATION:  # noqa: SLF001
            return
        self._refusal = error
        now = self._clock.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + REPEAT_S
            log.error("kafka_refused", reason=error.str(), advice=self._advice(error))

    def message(self, error: Exception, poll: Callable[[float], object]) -> str:
        """Return the message for ``error``, raised by a client that nothing else polls.

        Args:
            error: The client's error; often only a time-out.
            poll: The client's method, which delivers the errors it met before.
        """
        self._refusal = None
        poll(0)
        servers, refusal = self._settings.bootstrap_servers, self._refusal
        if refusal is None:
            return f"Kafka at {servers} does not answer ({error}); check {_ADDRESS}"
        return f"Kafka at {servers} can't be used ({refusal.str()}); {self._advice(refusal)}"

    def _advice(self, refusal: KafkaError) -> str:
        if _is_about_tls(refusal):
            return _TLS_ADVICE[self._settings.security]
        return _LOGIN_ADVICE.get(self._settings.security, f"check {_ADDRESS}")


def _is_about_tls(error: KafkaError) -> bool:
    # A client certificate is refused only after the handshake, as if the network had failed.
    return error.code() == KafkaError._SSL or "SSL alert" in error.str()  # noqa: SLF001


_ADDRESS: Final = "TXF_KAFKA_BOOTSTRAP_SERVERS and TXF_KAFKA_SECURITY"

_OUR_TRUST: Final = (
    "check that TXF_KAFKA_CA_FILE holds the authority that signed the brokers' certificates, "
    "and that TXF_KAFKA_BOOTSTRAP_SERVERS names them as their certificates do"
)
_THEIR_TRUST: Final = "that the brokers trust the authority of TXF_KAFKA_CLIENT_CERTIFICATE_FILE"

_TLS_ADVICE: Final = {
    "plaintext": f"check {_ADDRESS}",
    "tls": f"{_OUR_TRUST}; if they demand a certificate of us, set TXF_KAFKA_SECURITY=mtls",
    "mtls": f"{_OUR_TRUST}; and {_THEIR_TRUST}",
    "scram": _OUR_TRUST,
    "msk_iam": _OUR_TRUST,
}

_LOGIN_ADVICE: Final = {
    "scram": "check TXF_KAFKA_SASL_USERNAME, TXF_KAFKA_SASL_PASSWORD and TXF_KAFKA_SASL_MECHANISM",
    "msk_iam": "if the log has no kafka_token_failed, check TXF_KAFKA_MSK_REGION, this machine's "
    "clock, and that the role of these credentials may kafka-cluster:Connect",
}


def _authorities(settings: KafkaSettings) -> dict[str, str]:
    return {} if settings.ca_file is None else {"ssl.ca.location": str(settings.ca_file)}


def _secret(name: str, secret: SecretStr | None) -> dict[str, str]:
    return {} if secret is None else {name: secret.get_secret_value()}


def _unsigned(reason: str) -> FatalError:
    return FatalError(
        f"AWS signs no token for Kafka ({reason}); give this process credentials that boto3 "
        "finds (a role, AWS_PROFILE or AWS_ACCESS_KEY_ID), or set another TXF_KAFKA_SECURITY"
    )
