import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from structlog.contextvars import get_contextvars

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.runtime import Runtime
from txfeatures_api import problems
from txfeatures_api.edge import protect
from txfeatures_api.request_context import RequestContext

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def application() -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    problems.install(app)
    app.get("/")(lambda: PlainTextResponse("page"))
    app.get("/names")(lambda: get_contextvars())

    @app.get("/fails/{how}")
    async def fails(how: str) -> None:
        raise {
            "store": TransientError("dynamodb.internal said: secret", retry_after_s=2.5),
            "refused": FatalError("arn:aws:iam::1:role/secret is refused"),
            "defect": RuntimeError("secret"),
        }[how]

    return app


def ask(runtime: Runtime, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    edge = {"hosts": [], "origins": [], "authenticators": []} | options.pop("edge", {})
    app = protect(application(), runtime=runtime, **edge)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def test_a_requests_id_and_trace_go_on_in_the_answer_and_in_the_log(runtime: Runtime) -> None:
    answer = ask(runtime, "/names", headers={"X-Request-ID": "order-7", "traceparent": PARENT})
    version, trace_id, span_id, flags = answer.headers["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", PARENT[3:35], "01")
    assert span_id != PARENT[36:52]
    assert answer.headers["X-Request-ID"] == "order-7"


def test_the_log_lines_of_a_request_carry_its_names() -> None:
    context = RequestContext.of(b"order-7", PARENT.encode())
    assert (context.request_id, context.trace_id) == ("order-7", PARENT[3:35])


@pytest.mark.parametrize("request_id", [b"", b"a b", b"x" * 129, b'{"', b"\xff", b"a\nb"])
def test_an_id_that_could_do_harm_is_replaced(request_id: bytes) -> None:
    assert len(RequestContext.of(request_id).request_id) == 32


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        PARENT.replace("00-", "ff-", 1),
        f"{PARENT}-more",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{PARENT[3:35]}-{'0' * 16}-01",
        PARENT.upper(),
    ],
)
def test_a_malformed_trace_is_begun_anew_unsampled(parent: str) -> None:
    context = RequestContext.of(None, parent.encode())
    assert context.trace_id != PARENT[3:35]
    assert context.traceparent.endswith("-00")
    assert RequestContext.of(None, b"cc" + PARENT.encode()[2:] + b"-more").trace_id == PARENT[3:35]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nothing", "GET", 404),
        ("/names/", "GET", 404),
        ("/names", "POST", 405),
        ("/names", "TRACE", 405),
        ("/names", "OPTIONS", 405),
        ("/fails/store", "GET", 503),
        ("/fails/refused", "GET", 503),
        ("/fails/defect", "GET", 500),
        ("/%ff%fe", "GET", 404),
        (f"/names?{'x' * 10_000}", "GET", 414),
    ],
)
def test_every_failure_is_a_problem_without_internals(
    path: str, method: str, status: int, runtime: Runtime
) -> None:
    answer = ask(runtime, path, method, headers={"traceparent": PARENT, "X-Request-ID": "order-7"})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status
    assert (found["request_id"], found["trace_id"]) == ("order-7", PARENT[3:35])
    assert "secret" not in answer.text
    assert "Location" not in answer.headers


def test_a_client_is_asked_to_wait_as_long_as_the_store_asks(runtime: Runtime) -> None:
    assert ask(runtime, "/fails/store").headers["Retry-After"] == "3"
    assert ask(runtime, "/names", "POST").headers["Allow"] == "GET, HEAD"


def test_a_forged_host_is_refused_where_the_names_are_known(runtime: Runtime) -> None:
    edge: Any = {"edge": {"hosts": ["features.example.com", "[::1]"]}}
    for host in ("features.example.com", "FEATURES.example.com:8000", "[::1]:8000", "[::1]"):
        assert ask(runtime, "/", headers={"Host": host}, **edge).status_code == 200
    for host in ("evil.example", "features.example.com.evil.example", "", "features.example.com:x"):
        assert ask(runtime, "/", headers={"Host": host}, **edge).status_code == 421


def test_a_forged_host_is_repeated_nowhere(runtime: Runtime) -> None:
    for path in ("/nothing", "/names/"):
        answer = ask(runtime, path, headers={"Host": "evil.example/x?y="})
        assert answer.json()["instance"] == path
        assert "evil" not in answer.text + str(answer.headers)


def test_browsers_are_told_to_load_nothing_from_elsewhere(runtime: Runtime) -> None:
    for path in ("/", "/nothing"):
        headers = ask(runtime, path).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_other_origins_read_the_answers_only_where_they_are_allowed(runtime: Runtime) -> None:
    origin = {"Origin": "https://desk.example.com"}
    assert "Access-Control-Allow-Origin" not in ask(runtime, "/", headers=origin).headers
    edge: Any = {"edge": {"origins": ["https://desk.example.com"]}}
    allowed = ask(runtime, "/", headers=origin, **edge)
    assert allowed.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert "ETag" in allowed.headers["Access-Control-Expose-Headers"]
    foreign = ask(runtime, "/", headers={"Origin": "https://evil.example"}, **edge)
    assert "Access-Control-Allow-Origin" not in foreign.headers
    preflight = origin | {
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    assert ask(runtime, "/names", "OPTIONS", headers=preflight, **edge).status_code == 200
