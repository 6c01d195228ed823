import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kafka_local.lock import LockedJar


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class _Server(ThreadingHTTPServer):
    asked: list[str]


class Repository:
    """A Maven repository on the loopback interface, with what a test puts into it."""

    def __init__(self, directory: Path, server: _Server) -> None:
        self._directory = directory
        self._server = server
        self.url = f"http://127.0.0.1:{server.server_port}"

    @property
    def asked(self) -> list[str]:
        return self._server.asked

    def put(self, coordinate: str, content: bytes, *, kind: str = "jar") -> LockedJar:
        group, artifact, version = coordinate.split(":")
        directory = self._directory.joinpath(*group.split("."), artifact, version)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{artifact}-{version}.{kind}").write_bytes(content)
        return LockedJar(coordinate=coordinate, sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    directory = tmp_path / "repository"
    directory.mkdir()
    handler = functools.partial(_Handler, directory=str(directory))
    with _Server(("127.0.0.1", 0), handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Repository(directory, server)
        server.shutdown()
        thread.join()
