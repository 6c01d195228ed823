"""The topics as an AsyncAPI document, made from the declarations that the code itself reads.

Topics come from ``domain.topics``, who reads and writes them from ``deploy.iam``, the schemas of
the values from the classes that encode and decode them, and the features of a row from the shipped
declaration.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from deploy.iam.declared import PROCESSES
from txfeatures import __version__
from txfeatures.domain.features import REQUIRED, Declaration, default
from txfeatures.domain.model import Heartbeat, Partial, PartitionUpdate, Transaction
from txfeatures.domain.topics import (
    AGGREGATED,
    DEDUPED,
    FEED,
    LATE,
    PARTIALS,
    RAW,
    TOPICS,
    Topic,
    dead_letter_topic,
)
from txfeatures.domain.wire import (
    DECLARATION_HEADER,
    FETCHED_AT_HEADER,
    REASON_HEADER,
    TICK_HEADER,
)

Json = dict[str, Any]

CARRIES: Mapping[str, tuple[str, ...]] = {
    RAW: ("transaction", "tick"),
    DEDUPED: ("transaction", "tick"),
    PARTIALS: ("update",),
    AGGREGATED: ("row",),
    FEED: ("heartbeat",),
    LATE: ("transaction",),
    **{dead_letter_topic(topic): ("deadLetter",) for topic in (RAW, DEDUPED, AGGREGATED)},
}
"""Topic -> its messages. Changelogs have none: their records are Faust's own."""

_POLLED = {
    FETCHED_AT_HEADER: "time of day of the answer of the oldest poll in it, epoch milliseconds; "
    "records of older releases lack it"
}

JSON_TYPES = {"Integral": "integer", "Fractional": "number", "String": "string"}

_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n      .*)*)", re.M)


def document() -> str:
    """Return the text of asyncapi.json."""
    found = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "txfeatures topics",
            "version": __version__,
            "description": "Features of live Bitcoin transactions, between the services. The "
            "timestamp of each record is the feed's clock. Fields are only ever added; readers "
            "must read committed records only.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: channel(topic) for topic in TOPICS},
        "operations": dict(operations()),
        "components": {"messages": messages(), "schemas": schemas(default())},
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def channel(topic: Topic) -> Json:
    """Return a topic as a channel."""
    config = topic.config(keep_forever=False)
    messages = CARRIES.get(topic.name, ())
    return {
        "address": topic.name,
        "description": f"{topic.description} Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": {
                    "cleanup.policy": [topic.cleanup],
                    "retention.ms": int(config["retention.ms"]),
                    "max.message.bytes": int(config["max.message.bytes"]),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def operations() -> Iterator[tuple[str, Json]]:
    """Yield what each process sends and receives, by name."""
    for process, declared in PROCESSES.items():
        rights = declared.kafka
        if rights is None:
            continue
        for verb, action, names in (
            ("reads", "receive", rights.reads),
            ("writes", "send", rights.writes),
        ):
            for topic in names:
                yield (
                    f"{process}.{verb}.{topic}",
                    {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{topic}"},
                        "description": f"{process} ({declared.description}) {verb} {topic}.",
                    },
                )


def messages() -> Json:
    """Return the messages by name."""
    return {
        "transaction": {
            "summary": "A transaction, the source's own JSON; other fields pass unchanged.",
            "payload": {"$ref": "#/components/schemas/Transaction"},
        },
        "tick": {
            "summary": "Moves the feed's clock of a partition: no key, an empty value.",
            "headers": _headers({TICK_HEADER: "always 1"}, optional=_POLLED),
            "payload": {"type": "string", "maxLength": 0},
            "contentType": "application/octet-stream",
        },
        "heartbeat": {
            "summary": "The outcome of one poll.",
            "payload": {"$ref": "#/components/schemas/Heartbeat"},
        },
        "update": {
            "summary": "Partials of one partition; internal to the aggregator.",
            "headers": _headers({}, optional=_POLLED),
            "payload": {"$ref": "#/components/schemas/PartitionUpdate"},
        },
        "row": {
            "summary": "One revision of the features of one minute.",
            "headers": _headers(
                {DECLARATION_HEADER: "fingerprint of the features' declaration"}, optional=_POLLED
            ),
            "payload": {"$ref": "#/components/schemas/Row"},
        },
        "deadLetter": {
            "summary": "A record that can't be read, byte for byte; its own headers come first.",
            "headers": _headers(
                {
                    REASON_HEADER: "the reason, as the metric of dead letters has it",
                    "__streams.errors.exception": "name of the error",
                    "__streams.errors.message": "the error as a sentence",
                }
            ),
            "payload": {},
            "contentType": "application/octet-stream",
        },
    }


def schemas(declaration: Declaration) -> Json:
    """Return the schemas of the values, by name."""
    types = {cls.__name__: cls for cls in (Transaction, Heartbeat, PartitionUpdate, Partial)}
    _, found = msgspec.json.schema_components(
        types.values(), ref_template="#/components/schemas/{name}"
    )
    for name, schema in found.items():
        if name in types:
            _describe(schema, inspect.getdoc(types[name]) or "")
    found["Row"] = {
        "type": "object",
        "description": "A later release, or another declaration, has other features.",
        "properties": {
            "v": {"type": "integer", "const": 1},
            **{
                feature.name: {
                    "type": JSON_TYPES[feature.type],
                    "description": f"{feature.description} Unit: {feature.unit}.",
                }
                for feature in declaration.features
            },
        },
        "required": ["v", *(f.name for f in declaration.features if f.name in REQUIRED)],
    }
    return found


def _describe(schema: Json, doc: str) -> None:
    """Give a schema and its properties the sentences of the class's docstring."""
    schema["description"], _, attributes = doc.partition("\n\nAttributes:\n")
    for name, sentence in _ATTRIBUTE.findall(attributes):
        schema["properties"][name]["description"] = " ".join(sentence.split())
    for shown in schema["properties"].values():
        if "pattern" in shown:
            shown["pattern"] = shown["pattern"].replace(r"\Z", "$")  # JSON Schema's are ECMA's


def _headers(required: Mapping[str, str], *, optional: Mapping[str, str] | None = None) -> Json:
    found = {**required, **(optional or {})}
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": meaning} for name, meaning in found.items()
        },
        "required": list(required),
    }
