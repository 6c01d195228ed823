"""Nothing lost, nothing twice: dedup and aggregator under every fault, against the truth.

``make faults`` runs them at length: FAULT_TRANSACTIONS=200000 FAULT_KILLS=50.
"""

import os
import random
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka_local import EmbeddedKafka

from tests.support.core import Core
from tests.support.load import Load
from tests.support.worker import Worker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

TRANSACTIONS = int(os.environ.get("FAULT_TRANSACTIONS", "20000"))
KILLS = int(os.environ.get("FAULT_KILLS", "4"))
SEED = int(os.environ.get("FAULT_SEED", str(random.randrange(10**6))))
RECORDS_PER_S = 2000.0
SHARE = 1 / (KILLS + 1)
"""Of the transactions: loaded between two kills, and the last one after them."""


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    sys.stdout.write(f"FAULT_SEED={SEED}\n")  # shown when the test fails
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        core = Core(broker, tmp_path, Load(transactions=TRANSACTIONS, seed=SEED))
        core.bootstrap()
        core.allowed = 0
        core.start_loading(records_per_s=RECORDS_PER_S)
        try:
            yield core
        finally:
            core.close()


def work_done(draw: random.Random) -> int:
    """Return how many records are committed between two kills; at least as many are left."""
    most = int(SHARE * TRANSACTIONS / 2)
    return draw.randint(most // 4, most)


def recovered(workers: Iterable[Worker], service: str) -> int:
    """Return how many times tables were made from a changelog that was not empty."""
    found = [count for w in workers if w.service == service for count in w.recoveries]
    return sum(count > 0 for count in found)


@pytest.mark.parametrize("service", ["dedup", "aggregator"])
def test_sigkill_at_random_moments(core: Core, service: str) -> None:
    draw = random.Random(SEED)
    workers = {name: core.worker(name, "0") for name in ("dedup", "aggregator")}
    worker = workers[service]
    for number in range(KILLS):
        core.advance((number + 1) * SHARE, service, records=work_done(draw))
        worker.kill()
        worker.start()
        if number % 2:  # and again on the way to its partitions
            core.wait_until(lambda: worker.is_alive, "the start")
            worker.kill()
            worker.start()
    core.advance(1.0, service)
    core.drain()
    core.check()
    assert recovered(workers.values(), service) >= KILLS


def test_workers_that_join_and_leave(core: Core) -> None:
    draw = random.Random(SEED)
    services = ("dedup", "aggregator")
    workers = [core.worker(service, n) for service in services for n in "012"]
    rounds = KILLS * 2
    for number in range(rounds):
        core.advance((number + 1) / (rounds + 1), *services)
        for service in services:  # two must be up, for one of them to leave
            away = [w for w in workers if w.service == service and not w.is_up]
            for worker in away[1:]:
                worker.start()
        up = [worker for worker in workers if worker.is_up]
        leaver = draw.choice([w for w in up if [u.service for u in up].count(w.service) > 1])
        core.wait_until_ready(leaver)  # before that, it obeys no signal
        if number % 2:
            assert leaver.stop() == 0, leaver.log()
        else:
            leaver.kill()
        away = [worker for worker in workers if not worker.is_up]
        if draw.random() < 0.6:
            draw.choice(away).start()
    for worker in workers:
        restart_if_down(worker)
    core.advance(1.0, *services)
    core.drain()
    core.check()
    for service in services:
        assert recovered(workers, service)


@pytest.mark.parametrize("service", ["dedup", "aggregator"])
def test_a_worker_that_sleeps_beyond_its_session_writes_nothing_when_it_wakes(
    core: Core, service: str
) -> None:
    other = "aggregator" if service == "dedup" else "dedup"
    core.worker(other, "0")
    zombie = core.worker(service, "zombie")
    core.advance(0.5, service)
    zombie.signal(signal.SIGSTOP)
    heir = core.worker(service, "heir")
    core.wait_until_ready(heir)  # the zombie's session is over
    core.advance(0.9, service)
    zombie.signal(signal.SIGCONT)
    core.advance(1.0)
    core.drain()
    core.check()
    assert heir.is_up
    assert recovered([heir], service)


def test_the_broker_is_killed_and_comes_back(core: Core) -> None:
    services = ("dedup", "aggregator")
    workers = [core.worker(name, "0") for name in services]
    with supervised(workers):
        for share in (0.3, 0.6):
            core.advance(share, *services)
            core.broker.kill()
            core.pause(3.0)
            core.broker.start()
        core.advance(1.0, *services)
        core.drain()
    core.check()


def restart_if_down(worker: Worker) -> None:
    """Do what a supervisor does: crash-only workers end when they can't go on."""
    if not worker.is_up:
        worker.start()


@contextmanager
def supervised(workers: Sequence[Worker]) -> Iterator[None]:
    """Start again whatever ends, while the context lasts."""
    done = threading.Event()

    def supervise() -> None:
        while not done.wait(0.5):
            for worker in workers:
                restart_if_down(worker)

    thread = threading.Thread(target=supervise)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
