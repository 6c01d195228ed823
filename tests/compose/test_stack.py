"""The stack of `docker compose up --wait`, as a user starts it."""

import os
from collections import Counter
from functools import partial

import pytest

from tests.compose.conftest import StartCompose
from tests.compose.stack import REPLAY, SCALE, Compose
from tests.support import oracle
from tests.support.shared_data import RECORDING
from txfeatures.process.settings import SERVICES

pytestmark = [pytest.mark.integration, pytest.mark.compose, pytest.mark.timeout(1800)]

VICTIMS = ("source", "poller", "dedup", "aggregator", "fs_writer", "api", "kafka", "aws")


def has_latest(stack: Compose) -> bool:
    return stack.get("/features/latest").is_success


def has_shown(stack: Compose, transactions: int) -> bool:
    return stack.status().transactions >= transactions


def is_healthy(stack: Compose, service: str) -> bool:
    return bool(stack.container(service)["State"]["Health"]["Status"] == "healthy")


def test_up_serves_the_latest_row_and_stop_ends_every_service_in_order(
    start: StartCompose,
) -> None:
    stack = start("simulation")
    stack.wait_until(partial(has_latest, stack))
    row = stack.get("/features/latest").json()
    assert row["total_nb_trx_1min"] > 0
    for service in SERVICES:
        confined = stack.container(service)["HostConfig"]
        assert confined["ReadonlyRootfs"] is True
        assert confined["CapDrop"] == ["ALL"]
    stack.run("stop", "--timeout", "25", *reversed(SERVICES))
    codes = {service: stack.container(service)["State"]["ExitCode"] for service in SERVICES}
    assert codes == dict.fromkeys(SERVICES, 0)


def test_sigkill_of_each_container_in_turn_changes_no_row_and_archives_nothing_twice(
    start: StartCompose,
) -> None:
    stack = start("replay", REPLAY, recording=RECORDING)
    for number, victim in enumerate(VICTIMS, start=1):
        # The source has no memory of its progress and replays the recording from its beginning.
        stack.wait_until(partial(has_shown, stack, 40 * number))
        stack.crash(victim)
    for container in VICTIMS:
        stack.wait_until(partial(is_healthy, stack, container))
    stack.drain()
    assert stack.totals() == oracle.minutes(RECORDING)
    assert stack.archived_hashes() == Counter(
        str(tx["hash"]) for tx in oracle.transactions(RECORDING)
    )
    stack.wait_until(partial(has_latest, stack))
    assert stack.get("/features/latest?final=true").json()["is_final"] == 1


@pytest.mark.skipif(
    "COMPOSE_SCALE" not in os.environ, reason="three of each take minutes; make compose-test"
)
def test_three_brokers_and_three_workers_each_outlive_one_of_each(start: StartCompose) -> None:
    stack = start("scale", REPLAY, env_file=SCALE, recording=RECORDING)
    internal = {"__consumer_offsets", "__transaction_state"}
    replicas = stack.replicas()
    assert internal < replicas.keys()
    assert all(counts == {3} for counts in replicas.values()), replicas
    for number, victim in enumerate(("kafka-2", "dedup-2", "aggregator-3", "kafka-3"), start=1):
        stack.wait_until(partial(has_shown, stack, 40 * number))
        stack.crash(victim)
        stack.wait_until(partial(is_healthy, stack, victim))
    stack.drain()
    assert stack.totals() == oracle.minutes(RECORDING)
    assert stack.archived_hashes() == Counter(
        str(tx["hash"]) for tx in oracle.transactions(RECORDING)
    )
