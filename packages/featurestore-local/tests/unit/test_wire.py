from typing import Any

import msgspec
import pytest
from botocore.session import get_session

from featurestore_local.errors import AwsError
from featurestore_local.wire import Call, Request, RestJson, TargetJson, refuse_other


@pytest.fixture(scope="module")
def rest() -> RestJson:
    model = get_session().get_service_model("sagemaker-featurestore-runtime")
    return RestJson(model, model.operation_names)


@pytest.fixture(scope="module")
def target() -> TargetJson:
    model = get_session().get_service_model("sagemaker")
    return TargetJson(model, ["DescribeFeatureGroup"])


@pytest.mark.parametrize(
    ("request_", "call"),
    [
        (
            Request(method="PUT", path="/FeatureGroup/g", body=b'{"Record":[]}'),
            Call(operation="PutRecord", params={"FeatureGroupName": "g", "Record": []}),
        ),
        (
            Request(
                method="GET",
                path="/FeatureGroup/arn%3Aaws%3Asagemaker%3Ar%3A1%3Afeature-group%2Fg",
                query="RecordIdentifierValueAsString=a+b%26&FeatureName=x&FeatureName=y",
            ),
            Call(
                operation="GetRecord",
                params={
                    "FeatureGroupName": "arn:aws:sagemaker:r:1:feature-group/g",
                    "RecordIdentifierValueAsString": "a b&",
                    "FeatureNames": ["x", "y"],
                },
            ),
        ),
        (
            Request(
                method="DELETE",
                path="/FeatureGroup/g",
                query="RecordIdentifierValueAsString=&EventTime=1&TargetStores=OnlineStore",
            ),
            Call(
                operation="DeleteRecord",
                params={
                    "FeatureGroupName": "g",
                    "RecordIdentifierValueAsString": "",
                    "EventTime": "1",
                    "TargetStores": ["OnlineStore"],
                },
            ),
        ),
        (
            Request(method="POST", path="/FeatureGroup/Record/Record", body=b"{}"),
            Call(operation="UpdateRecord", params={"FeatureGroupName": "Record"}),
        ),
        (
            Request(method="POST", path="/BatchGetRecord"),
            Call(operation="BatchGetRecord", params={}),
        ),
    ],
)
def test_method_and_path_name_the_operation_and_the_model_its_parameters(
    rest: RestJson, request_: Request, call: Call
) -> None:
    assert rest.read(request_) == call


@pytest.mark.parametrize(
    "path", ["/", "/bucket/FeatureGroup/g", "/FeatureGroup", "/FeatureGroup/g/x"]
)
def test_other_paths_are_for_other_services(rest: RestJson, path: str) -> None:
    assert rest.read(Request(method="PUT", path=path)) is None


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(rest: RestJson, body: bytes) -> None:
    with pytest.raises(AwsError, match="JSON object"):
        rest.read(Request(method="PUT", path="/FeatureGroup/g", body=body))


def test_the_target_header_names_the_operation(target: TargetJson) -> None:
    request = Request(
        method="POST", path="/", target="SageMaker.DescribeFeatureGroup", body=b'{"a":1}'
    )
    assert target.read(request) == Call(operation="DescribeFeatureGroup", params={"a": 1})


@pytest.mark.parametrize("name", ["", "SageMaker.CreateDomain", "AWSGlue.DescribeFeatureGroup"])
def test_other_targets_are_for_other_services(target: TargetJson, name: str) -> None:
    assert target.read(Request(method="POST", path="/", target=name)) is None


def test_an_empty_result_has_an_empty_body(rest: RestJson) -> None:
    assert rest.answer(None).body == b""
    assert rest.answer({"a": 1}).body == b'{"a":1}'


@pytest.mark.parametrize(
    ("code", "operation", "status"),
    [
        ("ValidationError", "PutRecord", 400),
        ("ResourceNotFound", "GetRecord", 404),
        ("ConflictException", "UpdateRecord", 409),
        ("ServiceUnavailable", "PutRecord", 503),
        ("ThrottlingException", "PutRecord", 400),
        ("InternalFailure", None, 500),
    ],
)
def test_an_error_has_the_status_of_its_model(
    rest: RestJson, code: str, operation: str | None, status: int
) -> None:
    answer = rest.refusal(AwsError(code, "why"), operation)
    assert answer.status == status
    assert ("x-amzn-errortype", code) in answer.headers
    body: dict[str, Any] = msgspec.json.decode(answer.body)
    assert body == {"__type": code, "message": "why", "Message": "why"}


def test_an_error_without_a_status_of_its_own_is_a_bad_request(target: TargetJson) -> None:
    refusal = target.refusal(AwsError("ResourceNotFound", "why"), "DescribeFeatureGroup")
    assert refusal.status == 400


def test_s3_is_refused_in_xml_and_the_others_in_json() -> None:
    slow = refuse_other("s3", AwsError("SlowDown", "a < b"))
    assert slow.status == 503
    assert b"<Code>SlowDown</Code><Message>a &lt; b</Message>" in slow.body
    assert refuse_other("glue", AwsError("X", "y")).body == b'{"__type":"X","message":"y"}'
