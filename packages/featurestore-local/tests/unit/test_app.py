import threading
from collections.abc import Iterable
from typing import Any

import pytest
from botocore.session import get_session
from werkzeug.test import Client, EnvironBuilder

from featurestore_local.app import Application, Service
from featurestore_local.changes import ChangeClock, Changes
from featurestore_local.clock import ManualClock
from featurestore_local.errors import AwsError, DropConnectionError
from featurestore_local.faults import Fault, FaultPlan
from featurestore_local.wire import Answer, Request, RestJson

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=any/20231114/{}/{}/aws4_request, Signature=any"


class Handler:
    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, params: dict[str, Any]) -> dict[str, Any]:
        if params["RecordIdentifierValueAsString"] == "refuse":
            raise AwsError("ResourceNotFound", "not here")
        self.calls.append(params)
        return {"ok": True}


class Moto:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.bodies.append(environ["wsgi.input"].read())
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"moto"]


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def moto() -> Moto:
    return Moto()


@pytest.fixture
def plan() -> FaultPlan:
    return FaultPlan()


@pytest.fixture
def client(handler: Handler, moto: Moto, plan: FaultPlan, clock: ManualClock) -> Client:
    handlers = {"GetRecord": handler}
    model = get_session().get_service_model("sagemaker-featurestore-runtime")

    def local(request: Request) -> Answer:
        return Answer(status=200, body=request.path.encode())

    return Client(
        Application(
            services=[Service(wire=RestJson(model, handlers), handlers=handlers)],
            local=local,
            moto=moto,
            plan=plan,
            changes=Changes(ChangeClock(clock)),
            region="eu-west-1",
            clock=clock,
            stop=threading.Event(),
        )
    )


def ask(
    client: Client, path: str, *, region: str = "eu-west-1", service: str = "s3", **options: Any
) -> Any:
    headers = {"Authorization": AUTHORIZATION.format(region, service)}
    builder = EnvironBuilder(
        path, headers=headers | options.pop("headers", {}), base_url="http://127.0.0.1", **options
    )
    environ = builder.get_environ() | {"RAW_URI": path}
    return client.open(environ)


def get_record(client: Client, record_id: str = "a", **options: Any) -> Any:
    return ask(client, f"/FeatureGroup/g?RecordIdentifierValueAsString={record_id}", **options)


def test_an_owned_call_is_validated_and_handled(client: Client, handler: Handler) -> None:
    assert get_record(client).json == {"ok": True}
    assert handler.calls == [{"FeatureGroupName": "g", "RecordIdentifierValueAsString": "a"}]
    refused = ask(client, "/FeatureGroup/g")
    assert (refused.status_code, refused.json["__type"]) == (400, "ValidationError")


def test_a_refusal_of_the_handler_is_answered(client: Client) -> None:
    answer = get_record(client, "refuse")
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (404, "ResourceNotFound")


def test_other_requests_reach_moto_with_their_body(client: Client, moto: Moto) -> None:
    assert ask(client, "/bucket/key", method="PUT", data=b"content").data == b"moto"
    assert moto.bodies == [b"content"]


def test_local_paths_are_answered_locally(client: Client) -> None:
    assert ask(client, "/_local/x").data == b"/_local/x"


def test_another_region_is_refused_with_what_to_set(client: Client) -> None:
    answer = get_record(client, region="us-east-1")
    assert answer.status_code == 400
    assert "AWS_DEFAULT_REGION=eu-west-1" in answer.json["message"]


def test_an_ordered_error_comes_before_anything_is_done(
    client: Client, plan: FaultPlan, handler: Handler
) -> None:
    plan.order([Fault(operation="GetRecord", error="ServiceUnavailable")])
    answer = get_record(client)
    assert (answer.status_code, answer.json["__type"]) == (503, "ServiceUnavailable")
    assert handler.calls == []


@pytest.mark.parametrize(("error", "calls"), [("drop", 0), ("hang", 0), ("commit_then_drop", 1)])
def test_connections_end_as_ordered(
    client: Client, plan: FaultPlan, handler: Handler, error: str, calls: int
) -> None:
    plan.order([Fault(operation="GetRecord", error=error)])
    with pytest.raises(DropConnectionError):
        get_record(client)
    assert len(handler.calls) == calls


def test_a_hanging_call_hangs_as_long_as_ordered(
    client: Client, plan: FaultPlan, clock: ManualClock
) -> None:
    before_s = clock.now()
    plan.order([Fault(operation="GetRecord", error="hang", hang_s=30.0)])
    with pytest.raises(DropConnectionError):
        get_record(client)
    assert clock.now() == before_s + 30.0


def test_faults_befall_moto_by_service_and_method(
    client: Client, plan: FaultPlan, moto: Moto
) -> None:
    plan.order([Fault(operation="s3:PUT", error="SlowDown")])
    assert ask(client, "/bucket/key").status_code == 200
    slow = ask(client, "/bucket/key", method="PUT")
    assert (slow.status_code, b"SlowDown" in slow.data) == (503, True)
    assert len(moto.bodies) == 1
    assert plan.counts() == {"s3:GET": 1, "s3:PUT": 1}


def test_an_object_is_stored_though_its_answer_is_lost(
    client: Client, plan: FaultPlan, moto: Moto
) -> None:
    plan.order([Fault(operation="s3:PUT", error="commit_then_drop")])
    with pytest.raises(DropConnectionError):
        ask(client, "/bucket/key", method="PUT", data=b"content")
    assert moto.bodies == [b"content"]
