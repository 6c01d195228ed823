"""Generator of the reference pages of docs/: ``python docs/generate.py [--check]``.

Settings, metrics, topics and features are declared once, in the code. The pages are generated
from the declarations, and a test fails if one is stale.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deploy.generated import Generated
from txfeatures.bootstrap import BootstrapSettings
from txfeatures.domain.features import (
    DERIVED,
    FEATURES,
    FOLDS,
    RECORD_IDENTIFIER,
    DerivedFeature,
    Feature,
    FoldedFeature,
    sketch,
)
from txfeatures.domain.model import MILLI
from txfeatures.domain.topics import DAY_H, TOPICS, Topic
from txfeatures.process.metrics import DEFINITIONS
from txfeatures.process.settings import (
    SERVICES,
    AwsSettings,
    Group,
    KafkaSettings,
    LogSettings,
    TracingSettings,
    environment_names,
)
from txfeatures_aggregator.settings import Settings as AggregatorSettings
from txfeatures_api.settings import Settings as ApiSettings
from txfeatures_dedup.settings import Settings as DedupSettings
from txfeatures_fs_writer.settings import Settings as FsWriterSettings
from txfeatures_poller.settings import Settings as PollerSettings

COMMAND = "python docs/generate.py"

SHARED: Mapping[str, type[Group]] = {
    "Kafka": KafkaSettings,
    "AWS": AwsSettings,
    "Log": LogSettings,
    "Tracing": TracingSettings,
}
READERS: Mapping[str, type[Group]] = {
    "poller": PollerSettings,
    "dedup": DedupSettings,
    "aggregator": AggregatorSettings,
    "fs_writer": FsWriterSettings,
    "api": ApiSettings,
    "bootstrap": BootstrapSettings,
}

_NOTE = f"<!-- Written by `{COMMAND}`; do not edit. -->"


def pages() -> dict[str, str]:
    """Return file name -> text of every page."""
    return {
        "settings.md": _page("Settings", settings()),
        "metrics.md": _page("Metrics", metrics()),
        "topics.md": _page("Topics", topics()),
        "features.md": _page("Features", features()),
    }


def settings() -> Iterator[str]:
    """Yield the parts of settings.md."""
    yield (
        "Read from the environment only. A wrong value, or a name that begins with `TXF_` and that "
        "nobody reads, stops the start with a sentence per mistake. Settings of other services and "
        "commands are passed over, so that all processes can share one environment."
    )
    yield (
        "Region, credentials and endpoint of AWS come from boto3's own chain (`AWS_DEFAULT_REGION`,"
        " `AWS_PROFILE`, `AWS_ENDPOINT_URL` and so on)."
    )
    shared = {name: environment_names(group) for name, group in SHARED.items()}
    yield "## Who reads what"
    yield _table(
        ("process", "own names", "shared groups"),
        (
            (reader, f"`{_prefix(cls)}*`", ", ".join(g for g in SHARED if _reads(cls, shared[g])))
            for reader, cls in READERS.items()
        ),
    )
    for name, found in shared.items():
        yield f"## {name}"
        yield _settings_table(found)
    others = {name for found in shared.values() for name in found}
    for reader, cls in READERS.items():
        yield f"## {reader}"
        own = {n: field for n, field in environment_names(cls).items() if n not in others}
        yield _settings_table(own)


def metrics() -> Iterator[str]:
    """Yield the parts of metrics.md."""
    yield (
        "At `/metrics` of each service, in Prometheus' text format. The list is closed: a name or "
        "label that is not here can't be counted. Counters start at 0 with the process, with every "
        "label value that can be told beforehand; other series appear with their first count."
    )
    for service in SERVICES:
        yield f"## {service}"
        yield _table(
            ("metric", "kind", "labels", "meaning"),
            (
                (f"`{m.name}`", m.kind, ", ".join(f"`{x}`" for x in m.labels), m.description)
                for m in DEFINITIONS
                if m.service == service
            ),
        )


def topics() -> Iterator[str]:
    """Yield the parts of topics.md."""
    yield (
        "`txfeatures bootstrap` makes them. Topics that scale have `TXF_BOOTSTRAP_PARTITIONS` "
        "partitions, and `raw` and `deduped` must have the same number. Record timestamps are the "
        "feed's clock, and retention goes by them: `TXF_BOOTSTRAP_KEEP_FOREVER=true` is for "
        "replays of old recordings."
    )
    yield _table(
        ("topic", "key", "partitions", "kept", "meaning"),
        (
            (f"`{t.name}`", t.key, "scale" if t.scales else "1", _kept(t), t.description)
            for t in TOPICS
        ),
    )
    yield "All of them have this configuration:"
    first, *others = [topic.config(keep_forever=False) for topic in TOPICS]
    yield _table(
        ("name", "value"),
        (
            (f"`{name}`", f"`{value}`")
            for name, value in first.items()
            if all(other[name] == value for other in others)
        ),
    )


def features() -> Iterator[str]:
    """Yield the parts of features.md."""
    yield (
        "Columns of the feature group, one row per minute, in this order. A *folded* feature is "
        "made of the minute's transactions, a *derived* one of folded ones; the others describe "
        "the row itself. `txfeatures features` prints the same list."
    )
    yield _table(
        ("feature", "type", "unit", "kind", "meaning", "error"),
        (
            (f"`{f.name}`", f.type, f.unit, _kind(f), f.description, f.error or _exact(f))
            for f in FEATURES
        ),
    )
    yield (
        "A transaction counts if its hash, time and fee can be read. Where anything else is "
        "missing or impossible (the websocket tells no `weight`, an output has more than 21 "
        "million bitcoin), it contributes nothing to the features made of that: quantiles are over "
        "the transactions whose size is known. A row whose total needs more than 64 bits is "
        "withheld and said. The error is that of a bucket of the [sketch](adr/0014-sketch.md); "
        f"rates above {sketch.LARGEST // MILLI:,} satoshi/vbyte count as that."
    )
    yield "## Folds"
    yield (
        "What a transaction contributes, by the columns of the archive, and how contributions add "
        "up, in the stream and by `features.minute_sql` alike. Those that are no features serve "
        "derived ones. NULL contributes nothing."
    )
    yield _table(
        ("fold", "adds up by", "contribution"),
        ((f"`{name}`", fold.aggregate.name, f"`{fold.of_sql}`") for name, fold in FOLDS.items()),
    )
    yield _table(
        ("derived", "SQL over the folds"), ((f"`{f.name}`", f"`{f.sql}`") for f in DERIVED)
    )
    yield "## Adding a feature"
    yield (
        "Add one declaration to `FEATURES` in `txfeatures/features/declared.py` and a field to "
        "`Transaction` if it needs another one (and a column to the archive, which older objects "
        "lack: NULL). The oracle of the tests, `tests/support/oracle.py`, then says by code of its "
        "own what it must be, and the property tests compare the fold, the SQL and the oracle. "
        "`txfeatures bootstrap` adds it to the feature group; minutes that were open at the "
        "upgrade have it of the transactions since then only."
    )


def default_of(field: FieldInfo) -> str:
    """Return the default of a setting in Markdown; never the value of a secret."""
    default = field.default
    if default is PydanticUndefined:
        return "computed" if field.default_factory else "required"
    if default is None:
        return "unset"
    if isinstance(default, SecretStr):
        return "hidden"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def bounds_of(field: FieldInfo) -> str:
    """Return the bounds of a setting in Markdown; empty if any value of its type is valid."""
    schema = _schema(field)
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    if "pattern" in schema:
        return f"`{schema['pattern']}`"
    if schema.get("format") == "uri":
        return ""  # its length is pydantic's bound, not ours
    if "exclusiveMinimum" in schema:
        return f"above {schema['exclusiveMinimum']}, up to {schema['maximum']}"
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    if "maxLength" in schema:
        return f"{schema.get('minLength', 0)} to {schema['maxLength']} characters"
    return "not empty" if schema.get("minLength") == 1 else ""


def type_of(field: FieldInfo) -> str:
    """Return the type of a setting in words."""
    schema = _schema(field)
    return {"password": "secret", "uri": "URL", "path": "path"}.get(
        str(schema.get("format")), str(schema["type"])
    )


def _schema(field: FieldInfo) -> dict[str, Any]:
    annotation: Any = field.annotation
    model = create_model("Setting", value=(annotation, field))
    schema: dict[str, Any] = model.model_json_schema()["properties"]["value"]
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return options[0] if options else schema


def _settings_table(found: Mapping[str, FieldInfo]) -> str:
    return _table(
        ("name", "type", "default", "bounds", "meaning"),
        (
            (f"`{name}`", type_of(f), default_of(f), bounds_of(f), str(f.description))
            for name, f in found.items()
        ),
    )


def _prefix(cls: type[Group]) -> str:
    return str(cls.model_config["env_prefix"])


def _reads(cls: type[Group], names: Iterable[str]) -> bool:
    return set(names) <= environment_names(cls).keys()


def _kept(topic: Topic) -> str:
    if topic.cleanup == "compact":
        return "compacted"
    return "for ever" if topic.retention_h is None else f"{topic.retention_h // DAY_H} days"


def _kind(feature: Feature) -> str:
    match feature:
        case FoldedFeature():
            return "folded"
        case DerivedFeature():
            return "derived"
        case _ if feature.name == RECORD_IDENTIFIER:
            return "identifier"
        case _:
            return "of the row"


def _exact(feature: Feature) -> str:
    return "exact" if isinstance(feature, FoldedFeature | DerivedFeature) else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def _page(title: str, parts: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", _NOTE, *parts]) + "\n"


GENERATED = Generated(command=COMMAND, directory=Path(__file__).parent, files=pages)

if __name__ == "__main__":
    typer.run(GENERATED.main)
