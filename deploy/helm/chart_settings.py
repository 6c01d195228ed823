"""The settings of the services as values of the chart.

The settings classes are the only source: the schema of the chart's values and the list of
groups that each process reads are derived from them. The chart derives the name
``TXF_KAFKA_BOOTSTRAP_SERVERS`` from ``settings.kafka.bootstrap_servers``, so it has every new
setting at once.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import SecretStr, create_model
from pydantic.fields import FieldInfo

from docs.generate import READERS, SHARED
from txfeatures.cli.compact import CompactSettings
from txfeatures.process.settings import SERVICES, Group, environment_names

Json = dict[str, Any]

PROCESSES: Mapping[str, type[Group]] = {
    **{name: READERS[name] for name in (*SERVICES, "bootstrap")},
    "compact": CompactSettings,
}
"""The processes of the chart, and the settings that each reads."""

CHART_OWNED: Mapping[str, frozenset[str]] = {
    "features": frozenset({"file"}),
    "kafka": frozenset({"ca_file", "client_certificate_file", "client_key_file"}),
    "poller": frozenset({"http_host", "http_port", "name", "spool_dir"}),
    "dedup": frozenset({"http_host", "http_port", "instance_id"}),
    "aggregator": frozenset({"http_host", "http_port", "instance_id"}),
    "fs_writer": frozenset({"http_host", "http_port", "steps"}),
    "api": frozenset({"http_host", "http_port", "public_host", "public_port"}),
}
"""Settings that follow from the pod (its name, port, volumes, steps), so can't be a value."""

PLAIN = frozenset({"TXF_AWS_ROLE_ARN"})
"""Settings hidden in logs that are no secrets: the ARN of a role is in every manifest."""


ACCESS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Credentials of boto3 where pods have no role; with MSK's IAM, also those of a login to Kafka."""

KEPT_WITH_SECRETS: Mapping[str, tuple[str, ...]] = {
    "aws": ACCESS_KEYS,
    "kafka": ("TXF_KAFKA_SASL_USERNAME",),
    "tracing": ("OTEL_EXPORTER_OTLP_HEADERS",),
}
"""Shared group -> variables that are no secret settings, and that its readers take from a Secret:
access keys, the name beside a password, and a collector's token."""


def readers() -> dict[str, list[str]]:
    """Return the shared groups that each process reads: ``{"dedup": ["kafka", "log"], ...}``."""
    return {
        reader: [_prefix(group) for group in SHARED.values() if _includes(cls, group)]
        for reader, cls in PROCESSES.items()
    }


def shared() -> dict[str, Json]:
    """Return shared group -> setting -> JSON schema."""
    return {_prefix(group): _properties(group) for group in SHARED.values()}


def own(reader: str) -> dict[str, Json]:
    """Return the JSON schema of each setting of ``reader`` alone that may be a value."""
    return _properties(PROCESSES[reader])


def secret_names() -> list[str]:
    """Return the environment names that only a Secret may hold."""
    every = {
        name: field for cls in PROCESSES.values() for name, field in environment_names(cls).items()
    }
    return sorted(name for name, field in every.items() if _is_secret(name, field))


def secrets() -> dict[str, list[str]]:
    """Return the variables that each process takes from a Secret.

    ``msk_iam`` has those that processes that use Kafka take besides, if that is the security.
    """
    every = set(secret_names())
    found = {
        reader: sorted(
            {
                *every.intersection(environment_names(cls)),
                *(name for group in groups for name in KEPT_WITH_SECRETS.get(group, ())),
            }
        )
        for (reader, cls), groups in zip(PROCESSES.items(), readers().values(), strict=True)
    }
    return {**found, "msk_iam": list(ACCESS_KEYS)}


def _properties(cls: type[Group]) -> dict[str, Json]:
    prefix = _prefix(cls)
    return {
        name: property_of(field)
        for name, field in cls.model_fields.items()
        if _is_value(field)
        and not _is_secret(f"TXF_{prefix}_{name}".upper(), field)
        and name not in CHART_OWNED.get(prefix, ())
    }


def property_of(field: FieldInfo) -> Json:
    """Return the JSON schema of one setting, with its bounds, default and description."""
    annotation: Any = field.annotation
    model = create_model("Setting", value=(annotation, field))
    found: Json = model.model_json_schema()["properties"]["value"]
    options = [option for option in found.get("anyOf", ()) if option.get("type") != "null"]
    kept = dict(options[0] if options else found)
    kept = {key: value for key, value in kept.items() if key in _KEPT}
    default = model.model_json_schema()["properties"]["value"].get("default")
    if default is not None and not _hidden(field):
        kept["default"] = default
    return {"description": str(field.description), **kept}


_KEPT = frozenset(
    {
        "type",
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
    }
)


def _is_value(field: FieldInfo) -> bool:
    annotation = field.annotation
    return not (isinstance(annotation, type) and issubclass(annotation, Group))


def _is_secret(name: str, field: FieldInfo) -> bool:
    return name not in PLAIN and _hidden(field)


def _hidden(field: FieldInfo) -> bool:
    return SecretStr in set(_types(field.annotation))


def _types(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _types(part)


def _includes(cls: type[Group], group: type[Group]) -> bool:
    return set(environment_names(group)) <= environment_names(cls).keys()


def _prefix(cls: type[Group]) -> str:
    return str(cls.model_config["env_prefix"]).removeprefix("TXF_").rstrip("_").lower()
