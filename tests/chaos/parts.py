"""The size of a stand, and what its processes have in common."""

from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.error import URLError
from urllib.request import urlopen

from kafka_local import Broker
from kafka_local.ports import HOST

from txfeatures_local.demo.stack import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything runs, and how fast.

    Attributes:
        brokers: Brokers of the cluster.
        workers: Processes of dedup, aggregator and fs_writer each.
        rate: Transactions a second.
        polls_per_s: Polls a second; each moves the feed by a second.
    """

    brokers: int = 3
    workers: int = 2
    rate: int = 800
    polls_per_s: int = 5

    @property
    def per_poll(self) -> int:
        return max(1, self.rate // self.polls_per_s)

    @property
    def visible(self) -> int:
        """A transaction stands in some five answers, so that no single one can lose it."""
        return 5 * self.per_poll


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A process that ended without being told to."""

    at_s: float
    name: str
    code: int
    words: str


def answers(url: str) -> bool:
    with suppress(URLError, OSError), urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def last_words(part: Part) -> str:
    lines = part.log.read_text(errors="replace").strip().splitlines()
    return lines[-1][-600:] if lines else ""


def behind_proxy(broker: Broker, *, proxy_port: int, internal_port: int) -> Broker:
    """Return a broker that tells clients the port of its proxy, and brokers its own."""
    address = replace(broker.address, internal_port=internal_port)
    inside = f"PLAINTEXT://{HOST}:{internal_port}"
    properties = {
        **broker.properties,
        "listeners": f"CLIENTS://{HOST}:{address.port},{inside},"
        f"CONTROLLER://{HOST}:{address.controller_port}",
        "advertised.listeners": f"CLIENTS://{HOST}:{proxy_port},{inside}",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
        "CONTROLLER:PLAINTEXT",
    }
    return replace(broker, address=address, properties=properties)
