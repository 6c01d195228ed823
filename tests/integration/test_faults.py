"""Nothing lost, nothing twice: dedup and aggregator under every fault, against the truth.

``make faults`` runs them at length: FAULT_TRANSACTIONS=200000 FAULT_KILLS=50.
"""

import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka_local import EmbeddedKafka

from tests.support.core import Core, Load, Worker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

TRANSACTIONS = int(os.environ.get("FAULT_TRANSACTIONS", "20000"))
KILLS = int(os.environ.get("FAULT_KILLS", "4"))
SEED = int(os.environ.get("FAULT_SEED", str(random.randrange(10**6))))
LIFE_S = (1.5, 5.0)
"""A worker lives that long between two kills: into its recovery, or well beyond."""
SESSION_TIMEOUT_S = 10.0

StartCore = Callable[[], Core]


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    sys.stdout.write(f"FAULT_SEED={SEED}\n")  # shown when the test fails
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        core = Core(broker, tmp_path, Load(transactions=TRANSACTIONS, seed=SEED))
        core.bootstrap()
        try:
            yield core
        finally:
            core.close()


def pause(core: Core, seconds: float) -> None:
    core.clock.wait(threading.Event(), seconds)


def load_for(core: Core, seconds: float) -> None:
    core.start_loading(records_per_s=max(1000.0, TRANSACTIONS / seconds))


@pytest.mark.parametrize("service", ["dedup", "aggregator"])
def test_sigkill_at_random_moments(core: Core, service: str) -> None:
    draw = random.Random(SEED)
    workers = {name: core.worker(name, "0") for name in ("dedup", "aggregator")}
    load_for(core, KILLS * sum(LIFE_S) / 2)
    for _ in range(KILLS):
        pause(core, draw.uniform(*LIFE_S))
        workers[service].kill()
        workers[service].start()
    core.drain()
    core.check()


def test_workers_that_join_and_leave(core: Core) -> None:
    draw = random.Random(SEED)
    workers = [core.worker(s, n) for s in ("dedup", "aggregator") for n in "012"]
    load_for(core, KILLS * 3 * sum(LIFE_S) / 2)
    for _ in range(KILLS * 2):
        pause(core, draw.uniform(*LIFE_S))
        worker = draw.choice(workers)
        if worker.is_up:
            draw.choice([worker.kill, worker.stop])()
        else:
            worker.start()
    for worker in workers:
        if not worker.is_up:
            worker.start()
    core.drain()
    core.check()


@pytest.mark.parametrize("service", ["dedup", "aggregator"])
def test_a_worker_that_sleeps_beyond_its_session_writes_nothing_when_it_wakes(
    core: Core, service: str
) -> None:
    other = "aggregator" if service == "dedup" else "dedup"
    core.worker(other, "0")
    zombie = core.worker(service, "zombie")
    load_for(core, 40.0)
    pause(core, 6.0)
    zombie.signal(signal.SIGSTOP)
    heir = core.worker(service, "heir")
    pause(core, SESSION_TIMEOUT_S + 8.0)
    zombie.signal(signal.SIGCONT)
    core.drain()
    core.check()
    assert heir.is_up


def test_the_broker_is_killed_and_comes_back(core: Core) -> None:
    workers = [core.worker(name, "0") for name in ("dedup", "aggregator")]
    load_for(core, 30.0)
    for _ in range(2):
        pause(core, 6.0)
        core.broker.kill()
        pause(core, 3.0)
        core.broker.start()
        for worker in workers:
            restart_if_down(worker)
    keep_up(core, workers)
    core.check()


def restart_if_down(worker: Worker) -> None:
    """Do what a supervisor does: crash-only workers end when they can't go on."""
    if not worker.is_up:
        worker.start()


def keep_up(core: Core, workers: list[Worker]) -> None:
    """Drain, starting again whatever has ended."""
    done = threading.Event()

    def supervise() -> None:
        while not done.wait(0.5):
            for worker in workers:
                restart_if_down(worker)

    thread = threading.Thread(target=supervise)
    thread.start()
    try:
        core.drain()
    finally:
        done.set()
        thread.join()
