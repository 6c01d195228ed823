"""The kinds of faults, each with the evidence that it took effect.

A fault is a function of the stand, the victim and a duration. It causes the fault, ends it, and
returns what shows that it happened; one that had no effect raises `NoEffectError`, since a fault
that did not happen proves nothing.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from kafka_local import Broker, LocalKafkaError

from tests.chaos.common import NoEffectError, frozen, require_frozen, wait
from tests.chaos.proxy import Proxy
from tests.chaos.stand import Stand

ALL = "all"
DELAY_S = 0.4
BROKER_TRIES = 3
MEMBERSHIP_S = 4.0
JOINING_S = 30.0


def kill(stand: Stand, victim: str, lasts_s: float) -> str:
    """SIGKILL; the supervisor starts it again."""
    pid = stand.kill(victim)
    stand.wait_until(lambda: stand.is_up(victim), f"the restart of {victim}")
    return f"process {pid} killed, {stand.pid(victim)} started"


def kill_twice(stand: Stand, victim: str, lasts_s: float) -> str:
    """SIGKILL, and again as soon as it answers: on the way to its partitions."""
    first = kill(stand, victim, 0)
    stand.wait_until(lambda: stand.is_alive(victim), f"{victim} answering")
    return f"{first}; {kill(stand, victim, 0)}"


def freeze(stand: Stand, victim: str, lasts_s: float) -> str:
    """SIGSTOP beyond the session timeout, then SIGCONT: a zombie wakes."""
    pid = stand.pid(victim)
    with frozen(pid):
        wait(stand, lasts_s)
        require_frozen(victim, pid)
    return f"stopped for {lasts_s:.1f} s"


def storm(stand: Stand, victim: str, lasts_s: float) -> str:
    """One more worker joins and leaves, in order or killed, every few seconds."""
    name = f"{victim}-guest"
    joined = 0
    deadline = stand.clock.monotonic() + lasts_s
    stand.held.add(name)
    if name not in stand.parts:
        stand.add_service(victim, "guest")
    while stand.clock.monotonic() < deadline:
        if not stand.is_up(name):
            stand.parts[name].start()
        with suppress(TimeoutError):
            stand.wait_until(
                lambda: stand.is_ready(name) or not stand.is_up(name), name, limit_s=JOINING_S
            )
            joined += stand.is_ready(name)
        wait(stand, MEMBERSHIP_S)
        part = stand.parts[name]
        part.stop() if joined % 2 else part.kill()
    if not joined:
        raise NoEffectError("no worker joined")
    return f"a worker joined {joined} times"


def kill_broker(stand: Stand, victim: str, lasts_s: float) -> str:
    broker = _broker(stand, victim)
    pid = broker.pid
    broker.kill()
    wait(stand, lasts_s)
    if broker.pid is not None:
        raise NoEffectError(f"{victim} did not die")
    _start(broker)
    return f"process {pid} killed, {broker.pid} serves"


def kill_all_brokers(stand: Stand, victim: str, lasts_s: float) -> str:
    pids = [broker.pid for broker in stand.kafka.brokers]
    stand.kafka.kill()
    wait(stand, lasts_s)
    _start(stand.kafka)
    return f"processes {pids} killed, {[broker.pid for broker in stand.kafka.brokers]} serve"


def freeze_broker(stand: Stand, victim: str, lasts_s: float) -> str:
    pid = _broker(stand, victim).pid
    assert pid is not None
    with frozen(pid):
        wait(stand, lasts_s)
        require_frozen(victim, pid)
    return f"stopped for {lasts_s:.1f} s"


def cut(stand: Stand, victim: str, lasts_s: float) -> str:
    """Connections to the broker are reset, and new ones refused."""
    return _network(stand, victim, lasts_s, stand.proxies.cut)


def silence_up(stand: Stand, victim: str, lasts_s: float) -> str:
    """Nothing reaches the broker; its answers pass."""
    return _network(stand, victim, lasts_s, lambda p: stand.proxies.silence(p, "up"))


def silence_down(stand: Stand, victim: str, lasts_s: float) -> str:
    """The broker does what is requested, and no answer comes back: acknowledgements are lost."""
    return _network(stand, victim, lasts_s, lambda p: stand.proxies.silence(p, "down"))


def delay(stand: Stand, victim: str, lasts_s: float) -> str:
    return _network(stand, victim, lasts_s, lambda p: stand.proxies.delay(p, DELAY_S))


def _network(stand: Stand, victim: str, lasts_s: float, cause: Callable[[Proxy], None]) -> str:
    proxies = [
        proxy
        for number, proxy in enumerate(stand.proxies.all, 1)
        if victim in (ALL, f"broker-{number}")
    ]
    try:
        for proxy in proxies:
            cause(proxy)
        wait(stand, lasts_s)
    finally:
        effects = [stand.proxies.heal(proxy) for proxy in proxies]
    if not sum(effect.total for effect in effects):
        raise NoEffectError("no connection was met")
    return "; ".join(map(str, effects))


def _broker(stand: Stand, victim: str) -> Broker:
    return stand.kafka.brokers[int(victim.removeprefix("broker-")) - 1]


class _Startable(Protocol):
    def start(self) -> None: ...


def _start(brokers: _Startable) -> None:
    """Start a broker, or all; on a busy machine one try may be too short."""
    for left in reversed(range(BROKER_TRIES)):
        try:
            brokers.start()
        except LocalKafkaError:
            if not left:
                raise
        else:
            return
