from pathlib import Path

from kafka_local.properties import (
    MAX_MESSAGE_BYTES,
    MAX_RECORD_BYTES,
    Address,
    broker_properties,
    format_properties,
)
from kafka_local.security import ListenerSecurity

ALONE = Address(port=21_000, controller_port=21_001, internal_port=21_000)
THREE = tuple(
    Address(node_id=n, port=21_000 + n, controller_port=22_000 + n, internal_port=21_000 + n)
    for n in (1, 2, 3)
)


def test_both_listeners_are_on_the_loopback_interface_and_the_controller_votes_for_itself() -> None:
    properties = broker_properties(ALONE, overrides={})
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:21000,CONTROLLER://127.0.0.1:21001"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:21000"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:21001"
    assert properties["default.replication.factor"] == "1"


def test_the_nodes_of_a_cluster_know_one_another_and_replicate_everything() -> None:
    properties = broker_properties(THREE[1], cluster=THREE, overrides={})
    assert properties["node.id"] == "2"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:21002"
    assert properties["controller.quorum.voters"] == (
        "1@127.0.0.1:22001,2@127.0.0.1:22002,3@127.0.0.1:22003"
    )
    replicated = {name: value for name, value in properties.items() if "replication" in name}
    assert len(replicated) == 3
    assert set(replicated.values()) == {"3"}
    assert properties["min.insync.replicas"] == "2"
    assert properties["transaction.state.log.min.isr"] == "2"


def test_a_record_of_10_mb_fits_with_room_to_spare() -> None:
    properties = broker_properties(ALONE, overrides={})
    assert int(properties["message.max.bytes"]) == MAX_MESSAGE_BYTES > MAX_RECORD_BYTES
    assert properties["replica.fetch.max.bytes"] == properties["message.max.bytes"]


def test_the_callers_settings_win() -> None:
    overrides = {"log.retention.ms": "5", "num.io.threads": "2"}
    properties = broker_properties(ALONE, overrides=overrides)
    assert overrides.items() <= properties.items()


def test_a_secured_listener_takes_the_clients_port_and_brokers_use_another_in_plain_text() -> None:
    address = Address(port=21_000, controller_port=21_001, internal_port=21_002)
    security = ListenerSecurity(key_and_certificate=Path("/keys/broker.pem"))
    properties = broker_properties(address, security=security, overrides={"a": "b"})
    listeners = "CLIENTS://127.0.0.1:21000,PLAINTEXT://127.0.0.1:21002"
    assert properties["listeners"] == f"{listeners},CONTROLLER://127.0.0.1:21001"
    assert properties["advertised.listeners"] == listeners
    assert properties["inter.broker.listener.name"] == "PLAINTEXT"
    assert properties["listener.security.protocol.map"] == (
        "CLIENTS:SSL,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
    )
    assert properties["a"] == "b"
    assert security.properties().items() <= properties.items()


def test_a_properties_file_escapes_what_java_would_read_otherwise() -> None:
    text = format_properties({"a.b": "plain", "path": "C:\\ümläut\n", "emoji": "\N{FIRE}"})
    assert text == "a.b=plain\npath=C:\\\\\\u00fcml\\u00e4ut\\n\nemoji=\\ud83d\\udd25\n"
