"""Free ports of the loopback interface."""

import secrets
import socket

from kafka_local.errors import LocalKafkaError

HOST = "127.0.0.1"

# Below the ephemeral ports of Linux (from 32768) and macOS (from 49152): otherwise a client that
# connects to a stopped broker could be assigned the broker's own port and block its restart.
_CANDIDATES = range(20_000, 32_000)
_ATTEMPTS = 100


def is_free(port: int) -> bool:
    """Return whether a server could listen on ``port`` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As in Java: connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a port that is free now, chosen at random so that two callers seldom meet.

    Raises:
        LocalKafkaError: No free port was found.
    """
    return free_ports(1)[0]


def free_ports(count: int) -> tuple[int, ...]:
    """Return different ports that are free now, chosen at random.

    Raises:
        LocalKafkaError: Too few were found.
    """
    found: set[int] = set()
    for _ in range(_ATTEMPTS):
        port = secrets.choice(_CANDIDATES)
        if is_free(port):
            found.add(port)
        if len(found) == count:
            return tuple(found)
    raise LocalKafkaError(
        f"No free port was found between {_CANDIDATES.start} and {_CANDIDATES.stop};"
        " stop the servers there or choose a port yourself."
    )
