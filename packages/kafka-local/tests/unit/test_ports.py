import socket
from collections.abc import Iterator

import pytest

from kafka_local import ports
from kafka_local.errors import LocalKafkaError


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((ports.HOST, 0)) as server:
        yield server


def test_a_port_with_a_listener_is_not_free_and_is_free_again_after_it(
    listener: socket.socket,
) -> None:
    port = listener.getsockname()[1]
    assert not ports.is_free(port)
    listener.close()
    assert ports.is_free(port)


def test_a_port_whose_last_connection_is_still_fading_out_is_free(listener: socket.socket) -> None:
    address = listener.getsockname()
    with socket.create_connection(address) as client:
        served, _ = listener.accept()
        served.close()  # the server's side closes first, so its port waits in TIME_WAIT
        assert client.recv(1) == b""
    listener.close()
    assert ports.is_free(address[1])


def test_a_free_port_is_below_what_systems_lend_to_outgoing_connections() -> None:
    port = ports.free_port()
    assert ports.is_free(port)
    assert 20_000 <= port < 32_000


def test_several_ports_are_different_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    free = set(ports.free_ports(3))
    assert len(free) == 3
    monkeypatch.setattr(ports, "_CANDIDATES", list(free))
    assert set(ports.free_ports(3)) == free


def test_a_machine_without_a_free_port_is_told_what_to_do(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = listener.getsockname()[1]
    monkeypatch.setattr(ports, "_CANDIDATES", range(port, port + 1))
    with pytest.raises(LocalKafkaError, match="choose a port yourself"):
        ports.free_port()
