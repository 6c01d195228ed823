"""Security of the clients' listener: encryption, certificates and logins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLIENTS = "CLIENTS"
"""Name of the listener that clients connect to when it is secured."""

_PREFIX = f"listener.name.{CLIENTS.lower()}."
_SCRAM = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSecurity:
    """Encryption, and one or more ways to log in.

    Attributes:
        key_and_certificate: PEM file: the broker's private key (PKCS #8) and its certificate.
        client_authorities: PEM file: clients must present a certificate signed by one of these;
            None requires no certificate.
        users: Passwords by name, for SCRAM-SHA-512; stored by the first start in a directory.
        takes_tokens: Whether OAUTHBEARER is offered, for JSON web tokens without a signature
            that have not expired.
        session_ms: Time after which a client must have logged in again, as it must before its
            token expires; 0 for never.
    """

    key_and_certificate: Path
    client_authorities: Path | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    takes_tokens: bool = False
    session_ms: int = 0

    @property
    def protocol(self) -> str:
        """Kafka's name of the listener's protocol."""
        return "SASL_SSL" if self.users or self.takes_tokens else "SSL"

    def properties(self) -> dict[str, str]:
        """Return the listener's settings."""
        found = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.key_and_certificate.resolve()),
            "connections.max.reauth.ms": str(self.session_ms),
        }
        if self.client_authorities is not None:
            found |= {
                "ssl.client.auth": "required",
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.client_authorities.resolve()),
            }
        mechanisms = []
        if self.users:
            mechanisms.append(_SCRAM)
            found[f"{_SCRAM.lower()}.sasl.jaas.config"] = _login_module("scram.Scram")
        if self.takes_tokens:
            mechanisms.append("OAUTHBEARER")
            found["oauthbearer.sasl.jaas.config"] = _login_module(
                "oauthbearer.OAuthBearer", unsecuredLoginStringClaim_sub="broker"
            )
        if mechanisms:
            found["sasl.enabled.mechanisms"] = ",".join(mechanisms)
        return {f"{_PREFIX}{name}": value for name, value in found.items()}

    def format_arguments(self) -> list[str]:
        """Return the arguments of Kafka's storage tool that create the users."""
        return [
            f"--add-scram={_SCRAM}=[name={name},password={password}]"
            for name, password in self.users.items()
        ]


def _login_module(name: str, **options: str) -> str:
    module = f"org.apache.kafka.common.security.{name}LoginModule required"
    return " ".join([module, *(f'{key}="{value}"' for key, value in options.items())]) + ";"
