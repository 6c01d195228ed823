"""Faults, each planted for as long as a context lasts."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from tests.integration.doctor.world import BROKERS, World, variables
from tests.support.declared import FEATURES
from tests.support.local_account import Controls, make_group
from tests.support.waiting import wait_until
from txfeatures.archive.catalog import DATABASE, TABLE
from txfeatures.bootstrap.schema import definitions
from txfeatures.domain.topics import TOPICS
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings

Plant = Callable[[World], AbstractContextManager[None]]


def with_variables(**values: str | None) -> Plant:
    return lambda _: variables(**values)


def configured(topic: str, name: str, value: str) -> Plant:
    """Give a topic another configuration than bootstrap's."""

    @contextmanager
    def plant(world: World) -> Iterator[None]:
        _alter(world, topic, name, value)
        try:
            yield
        finally:
            _alter(world, topic, name, _declared(topic, BROKERS)[name])

    return plant


def remade(topic: str, *, partitions: int = 0, replication: int = BROKERS) -> Plant:
    """Delete a topic; make another one of the same name if it is to have partitions."""

    @contextmanager
    def plant(world: World) -> Iterator[None]:
        before = len(world.admin.list_topics(timeout=10).topics[topic].partitions)
        _delete(world, topic)
        try:
            if partitions:
                _create(world, topic, partitions, replication)
            yield
        finally:
            if partitions:
                _delete(world, topic)
            # By the controller, which knows that it is gone: another broker may still show it to
            # bootstrap, which would then leave it out.
            _create(world, topic, before, BROKERS)

    return plant


def with_features(change: Callable[[str], str]) -> Plant:
    """Declare other features than those of the group."""

    @contextmanager
    def plant(_: World) -> Iterator[None]:
        with TemporaryDirectory() as directory:
            file = Path(directory) / "features.yaml"
            shipped = (files("txfeatures.domain.features") / "features.yaml").read_text()
            file.write_text(change(shipped))
            assert file.read_text() != shipped
            with variables(TXF_FEATURES_FILE=str(file)):
                yield

    return plant


def with_group(**changes: Any) -> Plant:
    """Replace the feature group by one that differs; without changes by none."""

    @contextmanager
    def plant(world: World) -> Iterator[None]:
        settings = AwsSettings()

        def delete() -> None:
            aws.sagemaker(settings).delete_feature_group(FeatureGroupName=settings.feature_group)

        with world.as_administrator():
            delete()
            if changes:
                make_group(settings, **changes)
        try:
            yield
        finally:
            if changes:
                with world.as_administrator():
                    delete()
            world.make_everything()

    return plant


def retyped(name: str, kind: str | None) -> list[Any]:
    """Return the declared definitions with another type of a feature, or without it."""
    declared: list[Any] = definitions(AwsSettings(), FEATURES)
    kept = [each for each in declared if each["FeatureName"] != name]
    return [*kept, {"FeatureName": name, "FeatureType": kind}] if kind else kept


def without_right(action: str) -> Plant:
    """Take an action of AWS from doctor's policy."""

    @contextmanager
    def plant(world: World) -> Iterator[None]:
        policies = world.aws.policies
        changed: Any = deepcopy(policies["doctor"])
        for statement in changed["Statement"]:
            statement["Action"] = [name for name in statement["Action"] if name != action]
        assert changed != policies["doctor"], f"doctor never had {action}"
        world.aws.policies = {**policies, "doctor": changed}
        yield
        world.aws.policies = policies

    return plant


@contextmanager
def expired(world: World) -> Iterator[None]:
    world.aws.expired.add("doctor")
    yield
    world.aws.expired.clear()


@contextmanager
def skewed(world: World) -> Iterator[None]:
    world.aws.ahead_s = 900.0
    yield
    world.aws.ahead_s = 0.0


@contextmanager
def without_table(world: World) -> Iterator[None]:
    with world.as_administrator():
        aws.glue(AwsSettings()).delete_table(DatabaseName=DATABASE, Name=TABLE)
    yield
    world.make_everything()


@contextmanager
def hanging(world: World) -> Iterator[None]:
    controls = Controls(world.aws.behind)
    controls.order({"operation": "DescribeFeatureGroup", "error": "hang", "hang_s": 3.0})
    with variables(TXF_AWS_TIMEOUT_S="1"):
        yield
    controls.forget()


def _declared(topic: str, replication: int) -> dict[str, str]:
    found = next(each for each in TOPICS if each.name == topic)
    return found.config(keep_forever=False, replication=replication)


def _alter(world: World, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for answer in world.admin.incremental_alter_configs([changed]).values():
        answer.result()
    for broker in world.brokers:

        def is_seen(broker: Any = broker) -> bool:
            (answer,) = broker.describe_configs([changed]).values()
            return bool(answer.result()[name].value == value)

        wait_until(is_seen)


def _create(world: World, topic: str, partitions: int, replication: int) -> None:
    made = NewTopic(topic, partitions, replication, config=_declared(topic, replication))
    world.admin.create_topics([made])[topic].result()
    world.wait_for(topic, lambda found: _is_led(found, partitions))


def _delete(world: World, topic: str) -> None:
    world.admin.delete_topics([topic])[topic].result()
    world.wait_for(topic, lambda found: found is None)


def _is_led(found: Any, partitions: int) -> bool:
    return found is not None and partitions == sum(
        each.leader >= 0 for each in found.partitions.values()
    )
