"""An AWS that answers every call as told, over HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Refusal = tuple[int, str, str]
"""Status, error code and message."""


@dataclass(slots=True)
class Aws:
    """Answers every call as told and remembers what was asked."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs: threading.Event | None = None
    spoilt_minute: str = ""
    expired_key: str = ""
    calls: list[tuple[str, str, bytes]] = field(default_factory=list)

    def refusal(self, body: bytes, authorization: str) -> Refusal | None:
        if self.spoilt_minute and self.spoilt_minute.encode() in body:
            return 400, "ValidationError", f"{self.spoilt_minute} is spoilt"
        if self.expired_key and f"Credential={self.expired_key}/" in authorization:
            return 403, "ExpiredTokenException", "The security token is expired"
        return None


@contextmanager
def scripted_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    script = Aws()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # boto3 waits a second for "100 Continue" otherwise

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.calls.append((self.command, self.path, body))
            if script.hangs is not None:
                script.hangs.wait(10)
                self.close_connection = True
                return
            if refusal := script.refusal(body, self.headers.get("Authorization", "")):
                status, code, message = refusal
                text = json.dumps({"Message": message}).encode()
                self.reply(status, {"x-amzn-ErrorType": code}, text)
            else:
                self.reply(script.status, script.headers, script.body)

        def do_POST(self) -> None:
            self.do_PUT()

        def do_GET(self) -> None:
            script.calls.append((self.command, self.path, b""))
            body = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
            self.reply(404, {"Content-Type": "application/xml"}, body)

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    yield script
    if script.hangs is not None:
        script.hangs.set()
    server.shutdown()
    server.server_close()
    thread.join()


def answer(aws: Aws, status: int, code: str, message: str = "said so") -> None:
    aws.status = status
    aws.headers = {"x-amzn-ErrorType": code, "Content-Type": "application/json"}
    aws.body = json.dumps({"Message": message}).encode()
