"""asyncapi.json says of the topics and their values what the code does."""

import json
from typing import Any

import jsonschema_rs
import pytest

from docs.reference_asyncapi import CARRIES, document
from tests.support import oracle
from tests.support.declared import FEATURES
from tests.support.rows import row_record
from tests.support.shared_data import RECORDING
from txfeatures.domain import wire
from txfeatures.domain.model import Heartbeat, Partial, PartitionUpdate
from txfeatures.domain.topics import TOPICS

DOCUMENT = json.loads(document())
HEARTBEAT = Heartbeat(poller="a", poll_id=1, feed_time_ms=1_729_335_000_000, outcome="ok")
UPDATE = PartitionUpdate(
    partition=0,
    partitions=4,
    feed_time_ms=1_729_335_000_000,
    watermark_s=1_729_334_990,
    minutes={1_729_334_940: Partial(states={"count": 2}, sketches={"rate": {7: 2}})},
)
VALUES = {
    "Heartbeat": wire.encode_heartbeat(HEARTBEAT),
    "PartitionUpdate": wire.encode_update(UPDATE),
    "Row": row_record(0).value or b"",
    "Transaction": json.dumps(next(iter(oracle.transactions(RECORDING)))).encode(),
}


def validator(schema: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    )


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_topic_is_a_channel_and_only_changelogs_have_no_message() -> None:
    assert [*DOCUMENT["channels"]] == [topic.name for topic in TOPICS]
    silent = {topic.name for topic in TOPICS} - CARRIES.keys()
    assert silent
    assert all(name.endswith("-changelog") for name in silent)


def test_every_topic_but_changelogs_is_written_and_read_by_somebody() -> None:
    for action in ("send", "receive"):
        used = {
            operation["channel"]["$ref"].rpartition("/")[2]
            for operation in DOCUMENT["operations"].values()
            if operation["action"] == action
        }
        assert used >= CARRIES.keys()


def test_every_reference_leads_somewhere() -> None:
    found = references(DOCUMENT)
    assert found
    for reference in found:
        place = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


@pytest.mark.parametrize("schema", VALUES)
def test_what_the_code_writes_is_what_the_document_says(schema: str) -> None:
    validator(schema).validate(json.loads(VALUES[schema]))


@pytest.mark.parametrize("schema", VALUES)
def test_a_value_that_lacks_a_required_field_is_refused(schema: str) -> None:
    whole = json.loads(VALUES[schema])
    required = DOCUMENT["components"]["schemas"][schema]["required"]
    assert required
    for name in required:
        lacking = {key: value for key, value in whole.items() if key != name}
        assert not validator(schema).is_valid(lacking), name


def test_a_rows_features_are_the_declared_ones_with_their_units() -> None:
    properties = DOCUMENT["components"]["schemas"]["Row"]["properties"]
    assert [*properties] == ["v", *(feature.name for feature in FEATURES)]
    assert all(feature.unit in properties[feature.name]["description"] for feature in FEATURES)


def test_each_field_has_its_sentence() -> None:
    for name in ("Transaction", "Heartbeat", "PartitionUpdate", "Partial"):
        properties = DOCUMENT["components"]["schemas"][name]["properties"]
        assert all(found.get("description") for found in properties.values()), name
