"""Settings from the environment, with refusal of unknown names.

Each service has one frozen class of its own (``TXF_<SERVICE>_*``) that holds the
shared groups it needs (``TXF_KAFKA_*``, ``TXF_AWS_*``, ``TXF_LOG_*``). A wrong value
or an unknown name stops the start with a sentence per mistake.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, Field, HttpUrl, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettingError

from txfeatures.domain.errors import SettingsError
from txfeatures.domain.topics import MAX_RECORD_BYTES

PREFIX = "TXF_"
SERVICES = ("poller", "dedup", "aggregator", "fs_writer", "api")
COMMANDS = ("bootstrap",)


class Group(BaseSettings):
    """Base of every settings class: frozen, read from the environment only."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


ExistingFile = Annotated[Path, AfterValidator(_existing)]

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "plaintext": (),
    "tls": (),
    "mtls": ("client_certificate_file", "client_key_file"),
    "scram": ("sasl_username", "sasl_password"),
    "msk_iam": ("msk_region",),
}
"""Settings that each way of security requires."""

_ONLY_WITH: Mapping[str, tuple[str, ...]] = {
    "ca_file": ("tls", "mtls", "scram", "msk_iam"),
    "client_certificate_file": ("mtls",),
    "client_key_file": ("mtls",),
    "client_key_password": ("mtls",),
    "sasl_username": ("scram",),
    "sasl_password": ("scram",),
    "msk_region": ("msk_iam",),
}
"""Settings that would be ignored with another way: a mistake, perhaps an open door."""


class KafkaSettings(Group):
    """The address of the brokers, and the credentials for them."""

    model_config = SettingsConfigDict(env_prefix="TXF_KAFKA_", hide_input_in_errors=True)

    bootstrap_servers: str = Field(
        default="127.0.0.1:9092", min_length=1, description="Brokers, host:port, comma-separated."
    )
    security: Literal["plaintext", "tls", "mtls", "scram", "msk_iam"] = Field(
        default="plaintext",
        description="How brokers and clients authenticate each other. All but plaintext encrypt; "
        "tls authenticates the brokers only, mtls the clients by certificates, scram by a "
        "password, msk_iam by a role in AWS.",
    )
    ca_file: ExistingFile | None = Field(
        default=None,
        description="Authorities that sign the brokers' certificates, PEM. Unset: the system's, "
        "which include MSK's.",
    )
    client_certificate_file: ExistingFile | None = Field(
        default=None, description="With mtls: our certificate and its chain, PEM."
    )
    client_key_file: ExistingFile | None = Field(
        default=None, description="With mtls: our private key, PEM."
    )
    client_key_password: SecretStr | None = Field(
        default=None, min_length=1, description="With mtls: password of our key, if it has one."
    )
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256"] = Field(
        default="SCRAM-SHA-512", description="With scram: the digest; MSK supports the first only."
    )
    sasl_username: str | None = Field(
        default=None, min_length=1, description="With scram: our name."
    )
    sasl_password: SecretStr | None = Field(
        default=None, min_length=1, description="With scram: our password."
    )
    msk_region: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$",
        description="With msk_iam: region of the MSK cluster, for which tokens are signed.",
    )

    max_record_bytes: int = Field(
        default=MAX_RECORD_BYTES,
        ge=1024 * 1024,
        le=64 * 1024 * 1024,
        description="Largest record, in bytes before compression: of every producer, and of topics "
        "that bootstrap creates. What is larger becomes a dead letter with its size and SHA-256. "
        "The largest transaction yet has 4.4 MB; MSK Serverless takes 8 MiB.",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        missing = [name for name in _NEEDED[self.security] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"security {self.security} needs {' and '.join(missing)}")
        for name, ways in _ONLY_WITH.items():
            if getattr(self, name) is not None and self.security not in ways:
                raise ValueError(
                    f"{name} goes with security {' or '.join(ways)}, not {self.security}; "
                    "unset one of the two"
                )
        return self


class AwsSettings(Group):
    """The AWS side; credentials and region come from boto3's own chain."""

    model_config = SettingsConfigDict(env_prefix="TXF_AWS_")

    feature_group: str = Field(
        default="bitcoin-features-1min",
        pattern=r"^[a-zA-Z0-9]([_-]*[a-zA-Z0-9]){0,63}$",
        description="Name of the SageMaker feature group.",
    )
    bucket: str = Field(
        default="txfeatures",
        min_length=3,
        max_length=63,
        description="S3 bucket of the offline store and the archive.",
    )
    role_arn: SecretStr = Field(
        default=SecretStr("arn:aws:iam::123456789012:role/txfeatures-feature-store"),
        description="Role that SageMaker takes to write the offline store.",
    )
    table_format: Literal["glue", "iceberg"] = Field(
        default="glue",
        description="Table format of the offline store. With iceberg, event_time is a String, "
        "ISO-8601. It can't change once the feature group exists.",
    )
    kms_key_arn: str | None = Field(
        default=None,
        pattern=r"^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
        description="Key that encrypts a new bucket, a new feature group (both stores) and the "
        "results of queries; AWS's own keys if unset.",
    )
    bucket_owner: str | None = Field(
        default=None,
        pattern=r"^[0-9]{12}$",
        description="Account that must own the bucket: S3 then refuses calls to one of the same "
        "name that is another's. Not verified if unset.",
    )
    workgroup: str = Field(
        default="primary",
        pattern=r"^[a-zA-Z0-9._-]{1,128}$",
        description="Workgroup of queries in Athena.",
    )
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="Connect and read timeout of one AWS call."
    )


class FeaturesSettings(Group):
    """The declaration of the features."""

    model_config = SettingsConfigDict(env_prefix="TXF_FEATURES_")

    file: ExistingFile | None = Field(
        default=None,
        description="The file that declares the features. Unset: the one that is shipped. All "
        "processes of a pipeline need the same one.",
    )


class LogSettings(Group):
    """The format and the level of the log."""

    model_config = SettingsConfigDict(env_prefix="TXF_LOG_")

    format: Literal["json", "text"] = Field(
        default="json", description="json, one object a line, or text for a terminal."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is written."
    )


class TracingSettings(Group):
    """The destination of OpenTelemetry's traces, if there are any."""

    model_config = SettingsConfigDict(env_prefix="TXF_TRACING_")

    endpoint: HttpUrl | None = Field(
        default=None,
        description="Where traces are sent by OTLP over HTTP, the whole URL, for example "
        "http://collector:4318/v1/traces; there are none if unset. OpenTelemetry's own variables "
        "set the exporter's headers, certificates and compression.",
    )
    ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Share of the polls that are traced; the services behind follow the poller.",
    )


class ServiceSettings(Group):
    """Settings that every service has besides its own."""

    http_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - probes and Prometheus come from outside the pod
        description="Address that the service listens on.",
    )
    http_port: int = Field(
        default=8080, ge=0, le=65535, description="Port of /metrics, /healthz and /readyz."
    )
    log: LogSettings = Field(default_factory=LogSettings, description="See TXF_LOG_*.")


class KafkaServiceSettings(ServiceSettings):
    """Settings of every service that reads or writes Kafka."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="See TXF_KAFKA_*.")


class TracedServiceSettings(KafkaServiceSettings):
    """Settings of the services between the source and the stores."""

    tracing: TracingSettings = Field(
        default_factory=TracingSettings, description="See TXF_TRACING_*."
    )


class StatefulServiceSettings(TracedServiceSettings):
    """Settings of the services with state: dedup and aggregator."""

    instance_id: str | None = Field(
        default=None,
        pattern=r"^[a-zA-Z0-9._-]{1,200}$",
        description="Name that this worker keeps across restarts, the pod's for example: "
        "a restart then moves no partition. Unlike that of any other worker.",
    )
    commit_interval_s: float = Field(
        default=0.1,
        ge=0.01,
        le=10,
        description="How long finished batches are gathered into one Kafka transaction while "
        "more have been read; the last one is committed at once.",
    )
    dead_letter_limit: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Most dead letters among the last records of a partition, ten times as many "
        "as this number; one more stops the service.",
    )


S = TypeVar("S", bound=Group)


def load(cls: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read ``cls`` from the environment.

    Raises:
        SettingsError: A value is out of bounds, or a ``TXF_`` name is unknown; one
            sentence for each mistake.
    """
    mistakes = list(_unknown_names(cls, os.environ if environ is None else environ))
    groups: dict[str, Any] = {}
    for name, group in _groups(cls).items():
        try:
            groups[name] = group()
        except ValidationError as error:
            mistakes += _sentences(group, error)
            groups[name] = group.model_construct()  # only to go on to the mistakes of ``cls``
    try:
        settings = cls(**groups)
    except ValidationError as error:
        raise SettingsError("; ".join([*mistakes, *_sentences(cls, error)])) from error
    except UnreadableSettingError as error:
        raise SettingsError("; ".join([*mistakes, str(error)])) from error
    if mistakes:
        raise SettingsError("; ".join(mistakes))
    return settings


def environment_names(cls: type[Group]) -> dict[str, FieldInfo]:
    """Return each environment variable that ``cls`` reads, with its field."""
    names: dict[str, FieldInfo] = {}
    for name, field in cls.model_fields.items():
        if group := _group(field):
            names |= environment_names(group)
        else:
            names[f"{_prefix(cls)}{name}".upper()] = field
    return names


def _groups(cls: type[Group]) -> dict[str, type[Group]]:
    found = {name: _group(field) for name, field in cls.model_fields.items()}
    return {name: group for name, group in found.items() if group}


def _group(field: FieldInfo) -> type[Group] | None:
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, Group) else None


def _prefix(cls: type[Group]) -> str:
    return str(cls.model_config["env_prefix"])


def _unknown_names(cls: type[Group], environ: Mapping[str, str]) -> Iterator[str]:
    known = environment_names(cls)
    read = {_prefix(group) for group in (cls, *_groups(cls).values())}
    shared = {
        _prefix(group)
        for group in (
            *(KafkaSettings, AwsSettings, FeaturesSettings),
            *(LogSettings, TracingSettings),
        )
    }
    unread = (shared | {f"{PREFIX}{service}_".upper() for service in (*SERVICES, *COMMANDS)}) - read
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith(tuple(unread)):
            yield f"{name} is not a setting; see docs/reference/settings.md for the names"


def _sentences(cls: type[Group], error: ValidationError) -> Iterator[str]:
    for mistake in error.errors():
        if mistake["loc"]:
            name = f"{_prefix(cls)}{mistake['loc'][-1]}".upper()
            value = "..." if _is_secret(cls, mistake["loc"]) else repr(mistake["input"])
            yield f"{name}={value}: {mistake['msg']}"
        else:  # several settings that don't go together
            yield f"{_prefix(cls)}*: {mistake['msg']}"


def _is_secret(cls: type[Group], location: Sequence[int | str]) -> bool:
    field = cls.model_fields.get(str(location[-1]))
    return field is not None and SecretStr in (field.annotation, *get_args(field.annotation))
