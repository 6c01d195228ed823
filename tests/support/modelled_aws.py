"""Answers to real clients of boto3, checked against the models of the services."""

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

Answer = dict[str, Any]
Parameters = dict[str, Any]
Handler = Callable[[Parameters], Answer | None]


def modelled_client(service: str, handler: Callable[[str], Handler], region: str) -> Any:
    """Return a client of ``service`` whose operations are answered by ``handler(name)``.

    botocore checks the parameters, and the answers are checked as strictly.
    """
    client: Any = _session().client(service, region_name=region)  # type: ignore[call-overload]
    events, id_ = client.meta.events, client.meta.service_model.service_id.hyphenize()

    def remember(params: Parameters, context: dict[str, Any], **_: object) -> None:
        context["asked"] = params

    def answer(model: Any, context: dict[str, Any], **_: object) -> tuple[Any, Answer]:
        found = handler(xform_name(model.name))(context["asked"]) or {}
        if model.output_shape is not None:
            report = ParamValidator().validate(found, model.output_shape)
            assert not report.has_errors(), f"{model.name}: {report.generate_report()}"
        return _Response(), found | {"ResponseMetadata": {"HTTPStatusCode": 200}}

    events.register(f"before-parameter-build.{id_}", remember)
    events.register(f"before-call.{id_}", answer)
    return client


@cache
def _session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")


class _Response:
    status_code = 200


def error(operation: str, code: str, message: str) -> ClientError:
    """Return the exception that boto3 raises for an error code."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": 400, "RequestId": "", "HostId": "",
                "HTTPHeaders": {}, "RetryAttempts": 0,
            },
        },
        operation,
    )  # fmt: skip
