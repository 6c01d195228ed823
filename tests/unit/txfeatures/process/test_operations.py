import http.client
import socket
from email.message import Message

import pytest

from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.operations import operations_server
from txfeatures.process.runtime import Runtime


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(metrics=Metrics("dedup"), clock=ManualClock())


def request(port: int, path: str, method: str = "GET") -> tuple[int, Message, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def get(port: int, path: str) -> tuple[int, str]:
    status, _, body = request(port, path)
    return status, body


def test_the_metrics_of_the_process_are_served(runtime: Runtime) -> None:
    runtime.metrics.count("duplicates_total", 3)
    with operations_server("127.0.0.1", 0, runtime) as port:
        status, headers, body = request(port, "/metrics?x=1")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert "txf_dedup_duplicates_total 3.0" in body


def test_readiness_follows_health_and_liveness_does_not(runtime: Runtime) -> None:
    with operations_server("127.0.0.1", 0, runtime) as port:
        runtime.health.wait_for("partitions of raw")
        assert get(port, "/healthz") == (200, "ok\n")
        assert get(port, "/readyz") == (503, "waiting for partitions of raw\n")
        runtime.health.has("partitions of raw")
        assert get(port, "/readyz") == (200, "ready\n")
        runtime.stop.set()
        assert get(port, "/readyz") == (503, "waiting for stopping\n")
        assert get(port, "/healthz")[0] == 200


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
def test_head_is_answered_as_get_without_the_body(runtime: Runtime, path: str) -> None:
    with operations_server("127.0.0.1", 0, runtime) as port:
        status, headers, body = request(port, path)
        assert request(port, path, "HEAD")[::2] == (status, "")
        assert request(port, path, "HEAD")[1]["Content-Length"] == str(len(body))
        assert request(port, path, "HEAD")[1]["Content-Type"] == headers["Content-Type"]


def test_another_path_is_not_found(runtime: Runtime) -> None:
    with operations_server("127.0.0.1", 0, runtime) as port:
        assert get(port, "/")[0] == 404


def test_the_port_is_free_again_afterwards(runtime: Runtime) -> None:
    with operations_server("127.0.0.1", 0, runtime) as port:
        pass
    with operations_server("127.0.0.1", port, runtime) as again:
        assert again == port


def test_a_port_in_use_is_refused_with_what_to_do(runtime: Runtime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                FatalError,
                match=rf"port {port} on 127.0.0.1 .* set another TXF_<SERVICE>_HTTP_PORT",
            ),
            operations_server("127.0.0.1", port, runtime),
        ):
            pass
