"""Generator of the pages in docs/reference: ``python docs/generate.py [--check]``.

Settings, metrics, topics and features are declared once, in the code. The pages are generated
from the declarations, and a test fails if one is stale.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from fastapi import FastAPI
from pydantic import SecretStr, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deploy.generated import Generated
from deploy.iam import tables
from docs import reference_asyncapi, reference_commands
from txfeatures.bootstrap import BootstrapSettings
from txfeatures.cli.cost import KINDS, SEED_USD, notes, table, typical_load
from txfeatures.cost.estimate import estimate
from txfeatures.cost.rates import load as load_rates
from txfeatures.domain.features import (
    RECORD_IDENTIFIER,
    ComputedFeature,
    DerivedFeature,
    Feature,
    FoldedFeature,
    default,
    sketch,
)
from txfeatures.domain.features.columns import COLUMNS, Column
from txfeatures.domain.model import Row
from txfeatures.domain.topics import DAY_H, TOPICS, Topic
from txfeatures.process.metrics import DEFINITIONS, Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import (
    SERVICES,
    AwsSettings,
    FeaturesSettings,
    Group,
    KafkaSettings,
    LogSettings,
    TracingSettings,
    environment_names,
)
from txfeatures_aggregator.settings import Settings as AggregatorSettings
from txfeatures_api.features import open_features
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.pipeline import Pipeline
from txfeatures_api.routes import create_app
from txfeatures_api.settings import Settings as ApiSettings
from txfeatures_dedup.settings import Settings as DedupSettings
from txfeatures_fs_writer.settings import Settings as FsWriterSettings
from txfeatures_poller.settings import Settings as PollerSettings

COMMAND = "python docs/generate.py"

SHARED: Mapping[str, type[Group]] = {
    "Kafka": KafkaSettings,
    "AWS": AwsSettings,
    "Features": FeaturesSettings,
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
        "cost.md": _page("Cost", cost()),
        "rights.md": _page("Rights", rights()),
        "openapi.json": openapi(),
        "asyncapi.json": reference_asyncapi.document(),
        "commands.md": _page("Commands", reference_commands.commands()),
        "client.md": _page("Python client", reference_commands.client()),
    }


def undriven_api() -> FastAPI:
    """Return the api's application with neither a store nor Kafka behind it."""
    runtime, nothing = Runtime(metrics=Metrics("api")), _Nothing()
    features = open_features(ApiSettings(), nothing, FeedClock(), runtime, default())
    pipeline = Pipeline(nothing, clock=runtime.clock)
    return create_app(features=features, pipeline=pipeline, runtime=runtime)


class _Nothing:
    def read(self, minutes: Sequence[int]) -> list[Row]:  # noqa: ARG002
        return []

    def ends(self, topics: Collection[str]) -> dict[str, dict[int, int]]:
        return {topic: {} for topic in topics}

    def committed(self, group: str, topic: str) -> dict[int, int]:  # noqa: ARG002
        return {}


def openapi() -> str:
    """Return the text of openapi.json, which the api serves too."""
    return json.dumps(undriven_api().openapi(), indent=2, ensure_ascii=False) + "\n"


def settings() -> Iterator[str]:
    """Yield the parts of settings.md."""
    yield (
        "All settings are environment variables. A value that is out of bounds, or an unknown name "
        "that begins with `TXF_`, ends the start with one sentence per mistake. A process ignores "
        "the settings of other services, so that all can share one environment."
    )
    yield (
        "boto3 finds the region, credentials and endpoint of AWS in its own variables "
        "(`AWS_DEFAULT_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL` and others)."
    )
    shared = {name: environment_names(group) for name, group in SHARED.items()}
    yield "## Settings of each process"
    yield _table(
        ("process", "own settings", "shared settings"),
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
        "Each service serves its metrics at `/metrics` in Prometheus' text format. The code "
        "accepts no other metric or label. A counter starts at 0 with the process for every label "
        "value that is known in advance; other series appear with their first count."
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


LOADS = (7.0, 100.0, 10_000.0)
"""Transactions per second on the page of costs; the live feed has some seven."""


def cost() -> Iterator[str]:
    """Yield the parts of cost.md."""
    found = load_rates()
    bills = {
        (kind, rate): estimate(kind, typical_load(rate), found) for kind in KINDS for rate in LOADS
    }
    yield (
        "Output of `txfeatures cost`: dollars a month, from measured footprints and from the rates "
        "in one file, which you can replace. `lean` has two zones, `standard` three; `serverless` "
        "is standard on MSK Serverless. The serverless demo that this project replaces costs "
        f"{SEED_USD:.0f} a month at the live rate. Of the machines and "
        "brokers in the file, the cheapest that carry the load are chosen."
    )
    yield _table(
        ("transactions a second", *KINDS),
        ((f"{rate:,.0f}", *(f"{bills[kind, rate].usd:,.0f}" for kind in KINDS)) for rate in LOADS),
    )
    yield (
        "What grows: the memory of dedup, which remembers each hash for two days; the storage of "
        "the brokers, which is what `--retention-days` buys; the archive."
    )
    for rate in LOADS:
        yield f"## Standard, {rate:,.0f} transactions a second"
        yield "\n".join(["```text", *table(bills["standard", rate]), "```"])
    yield "\n\n".join(line.replace("* ", r"\* ", 1) for line in notes(found))
    yield (
        "Rates, their sources and the footprints stand in "
        "[rates.toml](../../src/txfeatures/cost/rates.toml)."
    )


def topics() -> Iterator[str]:
    """Yield the parts of topics.md."""
    yield (
        "`txfeatures bootstrap` creates the topics. Those that scale have "
        "`TXF_BOOTSTRAP_PARTITIONS` partitions; `raw` and `deduped` must have the same number. The "
        "timestamp of a record is the feed's clock, and retention follows it: set "
        "`TXF_BOOTSTRAP_KEEP_FOREVER=true` to replay old recordings. "
        "[asyncapi.json](asyncapi.json) has the messages with their schemas, and who reads and "
        "writes each topic."
    )
    yield _table(
        ("topic", "key", "partitions", "kept", "meaning"),
        (
            (f"`{t.name}`", t.key, "scale" if t.scales else "1", _kept(t), t.description)
            for t in TOPICS
        ),
    )
    yield "Configuration of all topics:"
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
    declaration = default()
    yield (
        "The feature group has these columns, and one row per minute, unless "
        "[a file of yours](../how-to/features.md) declares others. A *folded* feature is computed "
        "from the minute's transactions and a *derived* one from other features; the others "
        "describe the row itself, and every declaration has them. `txfeatures features list` "
        "prints the same list."
    )
    yield _table(
        ("feature", "type", "unit", "kind", "meaning", "error"),
        (
            (f"`{f.name}`", f.type, f.unit, _kind(f), f.description, f.error or _exact(f))
            for f in declaration.features
        ),
    )
    yield (
        "A transaction counts if its hash, time and fee are readable. If another field is missing "
        "or impossible (no `weight`, or an output of more than 21 million bitcoin), the "
        "transaction contributes nothing to the features computed from that field. A row whose "
        "total overflows 64 bits is not published; the overflow is logged and counted. The error "
        "of a quantile is that of a bucket of the [sketch](../adr/0014-sketch.md); at a resolution "
        f"of 0.001, numbers above {sketch.LARGEST // 1000:,} count as that one."
    )
    yield "## Computation"
    yield (
        "The aggregates of a transaction's columns behind each feature, and for a derived one its "
        "expression. A quantile of `fee / vsize` counts whole thousandths, hence the `1000`."
    )
    yield _table(
        ("feature", "computation"),
        ((f"`{f.name}`", f"`{f.meaning}`") for f in declaration.computed),
    )
    yield "## Columns of a transaction"
    yield "Expressions use these. A column is NULL if the source has no valid value."
    yield _table(
        ("column", "type", "values", "NULL", "meaning"),
        (
            (
                f"`{c.name}`",
                c.type,
                _bounds(c),
                "possible" if c.nullable else "never",
                c.description,
            )
            for c in COLUMNS.values()
        ),
    )


def rights() -> Iterator[str]:
    """Yield the parts of rights.md."""
    yield (
        "What each process may do in AWS and in Kafka, from the declaration in `deploy/iam`. "
        "[Rights in an account](../how-to/rights.md) makes policies, trust policies and ACLs of "
        "it. A process that is not listed in a table needs nothing there."
    )
    yield _table(("process", "what it does", "role taken by"), tables.process_rows())
    yield "## AWS"
    yield _table(("process", "actions", "resources"), tables.aws_rows())
    yield "## Kafka"
    yield (
        "Actions of MSK's IAM access control (`kafka-cluster:`). The same rights as ACLs: Read on "
        "a group is AlterGroup, Write on a transactional id is AlterTransactionalId."
    )
    yield _table(("process", "actions", "resources"), tables.kafka_rows())


def _bounds(column: Column) -> str:
    return f"{column.low:,} to {column.high:,}" if column.type == "whole number" else ""


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
    return "exact" if isinstance(feature, ComputedFeature) else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def _page(title: str, parts: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", _NOTE, *parts]) + "\n"


GENERATED = Generated(command=COMMAND, directory=Path(__file__).parent / "reference", files=pages)

if __name__ == "__main__":
    typer.run(GENERATED.main)
