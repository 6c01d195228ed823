"""Moto in a child process, as a WSGI application.

Moto keeps its state in module-level tables. In a process of its own, neither the moto of
the host program nor that of another ``LocalAws`` shares them, and they end with the process.
"""

import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from featurestore_local.errors import LocalStoreError
from featurestore_local.listener import LOOPBACK

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_EXIT_TIMEOUT_S = 5.0

# Headers of one connection, not of the request; http.client writes the length itself.
_NOT_FORWARDED = frozenset({"CONNECTION", "CONTENT-LENGTH", "EXPECT", "TRANSFER-ENCODING"})


class MotoProcess:
    """A moto server that runs until ``close``, and ends with this process at the latest.

    Raises:
        LocalStoreError: The child process ended before it could serve.
    """

    def __init__(self) -> None:
        # The child reads a pipe that only this process can write to: the read ends when this
        # process does, even by SIGKILL. The child has a session of its own, so that a Ctrl-C
        # at the terminal doesn't end it before it has stored the last offline rows.
        self._idle: deque[HTTPConnection] = deque()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "featurestore_local.moto_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101  # a pipe, as asked for
        port = self._process.stdout.readline().strip()
        if not port:
            self.close()
            raise LocalStoreError("moto ended before it could serve; see its error output above.")
        self.port = int(port)

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Forward one request and return moto's response."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = HTTPConnection(LOOPBACK, self.port)
        connection.putrequest(
            environ["REQUEST_METHOD"],
            environ["RAW_URI"],
            skip_host=True,
            skip_accept_encoding=True,
        )
        for name, value in _forwarded_headers(environ):
            connection.putheader(name, value)
        body = environ["wsgi.input"].read()
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        start_response(f"{response.status} {response.reason}", response.getheaders())
        self._idle.append(connection)
        return [content]

    def close(self) -> None:
        """End the child process, and moto's state with it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        while self._idle:
            self._idle.pop().close()


def _forwarded_headers(environ: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in environ.items():
        name = key.removeprefix("HTTP_").replace("_", "-")
        if key.startswith("HTTP_") and name not in _NOT_FORWARDED:
            yield name, value
