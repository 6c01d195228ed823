"""Settings from the environment, with refusal of unknown names.

Each service has one frozen class of its own (``TXF_<SERVICE>_*``) that holds the
shared groups it needs (``TXF_KAFKA_*``, ``TXF_AWS_*``, ``TXF_LOG_*``). A wrong value
or a name nobody reads stops the start with a sentence per mistake.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettingError

from txfeatures.errors import SettingsError

PREFIX = "TXF_"
SERVICES = ("poller", "dedup", "aggregator", "fs_writer", "api")
COMMANDS = ("bootstrap",)


class Group(BaseSettings):
    """Base of every settings class: frozen, read from the environment only."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)


class KafkaSettings(Group):
    """How to reach the brokers."""

    model_config = SettingsConfigDict(env_prefix="TXF_KAFKA_")

    bootstrap_servers: str = Field(
        default="127.0.0.1:9092", min_length=1, description="Brokers, host:port, comma-separated."
    )


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
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="Connect and read timeout of one AWS call."
    )


class LogSettings(Group):
    """What the log looks like."""

    model_config = SettingsConfigDict(env_prefix="TXF_LOG_")

    format: Literal["json", "text"] = Field(
        default="json", description="json, one object a line, or text for people."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is written."
    )


class ServiceSettings(Group):
    """What every service has besides its own fields."""

    http_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - probes and Prometheus come from outside the pod
        description="Address that the service listens on.",
    )
    http_port: int = Field(
        default=8080, ge=0, le=65535, description="Port of /metrics, /healthz and /readyz."
    )
    log: LogSettings = Field(default_factory=LogSettings, description="See TXF_LOG_*.")


class KafkaServiceSettings(ServiceSettings):
    """What every service that reads or writes Kafka has."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="See TXF_KAFKA_*.")


class StatefulServiceSettings(KafkaServiceSettings):
    """What the services have that keep state: dedup and aggregator."""

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
        description="How long finished batches are gathered into one Kafka transaction.",
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
    shared = {_prefix(group) for group in (KafkaSettings, AwsSettings, LogSettings)}
    unread = (shared | {f"{PREFIX}{service}_".upper() for service in (*SERVICES, *COMMANDS)}) - read
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith(tuple(unread)):
            yield f"{name} is not a setting; see docs/settings.md for the names"


def _sentences(cls: type[Group], error: ValidationError) -> Iterator[str]:
    for mistake in error.errors():
        if mistake["loc"]:
            name = f"{_prefix(cls)}{mistake['loc'][-1]}".upper()
            yield f"{name}={mistake['input']!r}: {mistake['msg']}"
        else:  # several settings that don't go together
            yield f"{_prefix(cls)}*: {mistake['msg']}"
