"""Faust's internals that this library relies on are those it was built and tested with."""

import hashlib
import importlib
import inspect
from importlib.metadata import version
from typing import Any

import pytest
from faust.transport import by_url
from faust.types.transports import ConsumerT

from faust_microbatch.faust.consumer import Consumer
from faust_microbatch.faust.transport import Transport

VERSIONS = {"faust-streaming": "0.15.3", "confluent-kafka": "2.16.1"}

# Faust's code -> hash of its source, the module that relies on it, and why it matters.
CONTRACT: dict[str, tuple[str, str, str]] = {
    "faust.app.base:App._on_agent_error": (
        "bdd12f286de6",
        "app.py",
        "an agent's error ends the process there",
    ),
    "faust.app.base:App._stop_consumer": (
        "55854a5de12c",
        "app.py",
        "the order of a graceful stop",
    ),
    "faust.app.base:App.on_stop": (
        "bfe5a933defb",
        "app.py",
        "the consumer is stopped before the agents",
    ),
    "faust.app.base:App.agent": (
        "ae1d2b662569",
        "app.py",
        "_on_agent_error is the agents' error handler",
    ),
    "faust.app.base:App.Table": (
        "e49f205922bb",
        "app.py",
        "options reach the table's constructor",
    ),
    "faust.app.base:App.maybe_start_producer": (
        "776ccefb9db5",
        "consumer.py",
        "in transactions, consumer.transactions sends",
    ),
    "faust.app.base:App._new_transport": (
        "42db531312dd",
        "transport.py",
        "the transport is found by the broker's URL",
    ),
    "faust.app.base:BootStrategy.server": (
        "97e47ea1dec3",
        "app.py",
        "the order in which services start and stop",
    ),
    "faust.app.base:BootStrategy.kafka_consumer": (
        "1a288f3d603f",
        "consumer.py",
        "what is started beside the consumer",
    ),
    "faust.agents.agent:Agent._execute_actor": (
        "c750b828d2bd",
        "app.py",
        "what becomes of an agent that raises",
    ),
    "faust.agents.actor:Actor.cancel": (
        "27af54ce1443",
        "stream.py",
        "agents are stopped by StopAsyncIteration in their channel",
    ),
    "faust.streams:Stream.__aiter__": (
        "e815c0e831f1",
        "stream.py",
        "the iterator is replaced",
    ),
    "faust.streams:Stream._py_aiter": (
        "3a48ee257a65",
        "stream.py",
        "an iterator's duties",
    ),
    "faust.streams:Stream._set_current_event": (
        "b9a41294b605",
        "stream.py",
        "it determines the outbox that is written",
    ),
    "faust.streams:current_event": (
        "3b821f1a78d8",
        "tables.py",
        "it determines the outbox that is written",
    ),
    "faust.events:Event.ack": (
        "2d29a6eda87c",
        "stream.py",
        "it leads to Consumer.ack",
    ),
    "faust.types.tuples:Message.ack": (
        "4751b72c4ed8",
        "message.py",
        "the last of several agents acknowledges",
    ),
    "faust.types.tuples:ConsumerMessage.on_final_ack": (
        "45d670b6a8ac",
        "message.py",
        "it leads to Consumer.ack",
    ),
    "faust.transport.conductor:Conductor._subscriber": (
        "2a7908583404",
        "consumer.py",
        "subscribe comes after agents and tables",
    ),
    "faust.transport.conductor:Conductor.on_partitions_assigned": (
        "616e9729131c",
        "conductor.py",
        "it fills _tp_index",
    ),
    "faust.transport.conductor:Conductor._update_tp_index": (
        "e8e3ac9025ef",
        "conductor.py",
        "it fills _tp_index",
    ),
    "faust.transport.conductor:ConductorCompiler.build": (
        "837cf521368c",
        "conductor.py",
        "what delivery has to do",
    ),
    "faust.transport.producer:Producer.__init__": (
        "5c53a4b47aa1",
        "producer.py",
        "what a producer needs of its transport",
    ),
    "faust.transport.producer:Producer.on_start": (
        "a83bd5324e9e",
        "producer.py",
        "the buffer it starts is not used",
    ),
    "faust.topics:Topic.publish_message": (
        "4ce1cbc35304",
        "producer.py",
        "per-record sends end in Producer.send",
    ),
    "faust.topics:Topic.send_soon": (
        "91a8b9ace583",
        "producer.py",
        "it ends in Producer.send_soon",
    ),
    "faust.tables.manager:TableManager.on_start": (
        "365dd25fbc0e",
        "tables.py",
        "its recovery is not started",
    ),
    "faust.tables.manager:TableManager.on_stop": (
        "351be149c036",
        "tables.py",
        "its recovery is not stopped",
    ),
    "faust.tables.manager:TableManager.wait_until_recovery_completed": (
        "e0f224aba177",
        "tables.py",
        "the app is ready after it",
    ),
    "faust.tables.manager:TableManager.wait_until_tables_registered": (
        "e9bed5b158ee",
        "tables.py",
        "the conductor waits for it",
    ),
    "faust.tables.base:Collection._new_store": (
        "914a2bda605d",
        "tables.py",
        "the store is replaced",
    ),
    "faust.tables.base:Collection.on_start": (
        "daddcc354ad0",
        "tables.py",
        "it starts the store",
    ),
    "faust.tables.base:Collection.info": (
        "609ae0612bec",
        "tables.py",
        "it lists the constructor's arguments",
    ),
    "faust.tables.table:Table.on_key_set": (
        "a370e35ca55c",
        "tables.py",
        "it is called before the store is written",
    ),
    "faust.tables.table:Table.on_key_del": (
        "4f2900b2f9d2",
        "tables.py",
        "it is called before the store is written",
    ),
    "faust.stores.memory:Store": (
        "83ceb1145af0",
        "tables.py",
        "the store of all partitions derives from it",
    ),
}


@pytest.mark.parametrize(("package", "expected"), VERSIONS.items())
def test_the_versions_are_those_that_were_tested_under_faults(package: str, expected: str) -> None:
    assert version(package) == expected, (
        f"faust-microbatch was tested under faults with {package} {expected}, this is"
        f" {version(package)}: run tests/broker with MICROBATCH_KILLS=50, then pin the new one"
    )


@pytest.mark.parametrize("name", CONTRACT)
def test_what_is_overridden_or_relied_upon_has_not_changed(name: str) -> None:
    expected, answer, why = CONTRACT[name]
    assert source_hash(name) == expected, (
        f"{name} has changed in faust-streaming {version('faust-streaming')}. Compare it with"
        f" {VERSIONS['faust-streaming']}, then with faust/{answer}, which relies on it:"
        f" {why}. Adapt that if need be, run tests/broker, and write"
        f" {source_hash(name)} here."
    )


def test_fausts_interface_of_a_consumer_is_answered_completely() -> None:
    missing = {name for name in ConsumerT.__abstractmethods__ if name not in dir(Consumer)}
    assert not missing | set(Consumer.__abstractmethods__), (
        "Faust's interface of a consumer has grown: implement the rest in faust/consumer.py or"
        " refuse it in faust/unused.py"
    )


def source_hash(name: str) -> str:
    """Return a hash of the source of ``module:attribute``."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    found = getattr(found, "fun", found)  # of a service's task
    return hashlib.sha256(inspect.getsource(inspect.unwrap(found)).encode()).hexdigest()[:12]


def test_faust_finds_the_transport_by_its_url() -> None:
    assert by_url("microbatch://host:9092") is Transport
