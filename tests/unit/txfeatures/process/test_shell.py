import http.client
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from kafka_local.ports import free_port
from pydantic_settings import SettingsConfigDict

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process import shell
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import ServiceSettings
from txfeatures.process.shell import Build, Program, serve


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TXF_DEDUP_")


@pytest.fixture(autouse=True)
def _process_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(shell, "configure_logging", lambda *_, **__: None)
    monkeypatch.setenv("TXF_DEDUP_HTTP_HOST", "127.0.0.1")
    monkeypatch.setenv("TXF_DEDUP_HTTP_PORT", str(free_port()))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ready(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/readyz")
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def returning(program: Program) -> Build[Settings]:
    return lambda *_: program


def test_the_exit_code_is_the_programs() -> None:
    assert serve("dedup", Settings, returning(lambda: 3)) == 3


def test_the_program_runs_with_operations_endpoints_and_resources_that_are_closed_after_it() -> (
    None
):
    events: list[object] = []

    def build(settings: Settings, runtime: Runtime, stack: ExitStack) -> Program:
        stack.callback(events.append, "closed")
        runtime.health.wait_for("partitions")

        def program() -> int:
            events.append(ready(settings.http_port))
            signal.raise_signal(signal.SIGTERM)
            events.append(runtime.stop.is_set())
            return 0

        return program

    assert serve("dedup", Settings, build) == 0
    assert events == [503, True, "closed"]


@pytest.mark.parametrize("error", [FatalError("no topic raw"), TransientError("no answer")])
def test_a_failure_of_build_or_program_is_one_sentence_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(*_: object) -> int:
        raise error

    def build(*_: object) -> Program:
        raise error

    for failing in (build, returning(fail)):
        assert serve("dedup", Settings, failing) == 1
        assert capsys.readouterr().err == f"dedup: {error}\n"


def test_a_wrong_setting_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TXF_DEDUP_HTTP_PORT", "-1")
    assert serve("dedup", Settings, returning(lambda: 0)) == 1
    assert capsys.readouterr().err == (
        "dedup: TXF_DEDUP_HTTP_PORT='-1': Input should be greater than or equal to 0\n"
    )


def test_a_port_in_use_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("TXF_DEDUP_HTTP_PORT", str(port))
        assert serve("dedup", Settings, returning(lambda: 0)) == 1
    assert capsys.readouterr().err.startswith(f"dedup: port {port} on 127.0.0.1 can't be used")
