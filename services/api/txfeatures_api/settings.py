"""Settings of the api: ``TXF_API_*`` and the shared groups it needs."""

import re
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from txfeatures.process.settings import AwsSettings, FeaturesSettings, KafkaServiceSettings

_TOKEN = re.compile(r"([A-Za-z0-9._-]{1,64})=([0-9a-f]{64})")


class Settings(KafkaServiceSettings):
    """The settings of the api."""

    model_config = SettingsConfigDict(env_prefix="TXF_API_")

    public_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - clients come from outside the pod
        description="Address of the public port.",
    )
    public_port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        description="Port of the public api; the operations endpoints have one of their own.",
    )
    aws: AwsSettings = Field(default_factory=AwsSettings, description="See TXF_AWS_*.")
    features: FeaturesSettings = Field(
        default_factory=FeaturesSettings, description="See TXF_FEATURES_*."
    )
    cache_s: float = Field(
        default=1.0,
        ge=0.05,
        le=1,
        description="Seconds between two reads of the newest rows, the only reads that go on "
        "whatever is requested.",
    )
    range_reads: int = Field(
        default=30,
        ge=10,
        le=1_000,
        description="Most reads of the store, of 100 minutes each, that requests of older minutes "
        "cause at once; one more each second. Beyond them they are answered with 503.",
    )
    streams: int = Field(
        default=2_000, ge=1, le=100_000, description="Most streams of rows at the same time."
    )
    streams_per_client: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Most streams of rows of one address, which may be a load balancer's.",
    )
    lookback_minutes: int = Field(
        default=180,
        ge=1,
        le=10_080,
        description="How far before the feed's clock the latest row is looked for.",
    )
    max_connections: int = Field(
        default=2_000,
        ge=10,
        le=100_000,
        description="Most connections at the same time. One more takes the place of the one that "
        "has waited longest for a request, and is refused if all are busy.",
    )
    receive_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="Seconds in which a request must have arrived, header and body.",
    )
    send_timeout_s: float = Field(
        default=60.0, gt=0, le=600, description="Seconds that a client may leave its answer unread."
    )
    keep_alive_s: int = Field(
        default=75,
        ge=1,
        le=4_000,
        description="Seconds that a connection is kept for a next request; longer than a load "
        "balancer keeps its own (ALB: 60), which otherwise answers 502 now and then.",
    )
    allowed_hosts: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._:\[\], -]*$",
        description="Names that the api is served under, comma-separated, without ports; another "
        "Host is answered with 421. Unset: any.",
    )
    cors_origins: str = Field(
        default="",
        pattern=r"^(\*|(https?://[^/\s,]+)(,\s*https?://[^/\s,]+)*)?$",
        description="Origins whose pages may read the answers, comma-separated, or * for all. "
        "Unset: none but the api's own.",
    )
    tokens: SecretStr | None = Field(
        default=None,
        description="Clients and the SHA-256 of their bearer tokens, NAME=HEX, comma-separated. "
        "Unset, and without oidc_issuer, everybody is served.",
    )
    oidc_issuer: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="Issuer of OpenID Connect whose access tokens are accepted, spelt as in their "
        "claim iss.",
    )
    oidc_audience: str | None = Field(
        default=None,
        min_length=1,
        description="With oidc_issuer: the claim aud that a token must have.",
    )
    oidc_leeway_s: float = Field(
        default=30.0,
        ge=0,
        le=300,
        description="With oidc_issuer: difference between its clock and ours that is allowed.",
    )
    drain_s: float = Field(
        default=3.0,
        ge=0,
        le=60,
        description=(
            "Seconds to go on answering, with /readyz at 503, after being told to stop, "
            "so that load balancers turn away first."
        ),
    )

    @field_validator("tokens")
    @classmethod
    def _readable(cls, tokens: SecretStr | None) -> SecretStr | None:
        if tokens is not None and not all(map(_TOKEN.fullmatch, _parts(tokens.get_secret_value()))):
            raise ValueError(
                "write NAME=HEX, comma-separated; HEX is what `printf %s TOKEN | sha256sum` prints"
            )
        return tokens

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("oidc_issuer and oidc_audience go together; set both or none")
        return self

    @property
    def hosts(self) -> list[str]:
        """The names that the api is served under; any if empty."""
        return _parts(self.allowed_hosts)

    @property
    def origins(self) -> list[str]:
        """The origins whose pages may read the answers."""
        return _parts(self.cors_origins)

    @property
    def clients(self) -> dict[str, str]:
        """The SHA-256 of each client's token."""
        listed = _parts(self.tokens.get_secret_value()) if self.tokens else []
        return dict(entry.split("=", 1) for entry in listed)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
