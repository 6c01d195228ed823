"""Conversion of HTTP requests to operations and their parameters, and of results to answers.

Routing, parsing and error status follow botocore's service models, so a further
operation needs no code here.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

import msgspec
from botocore.model import ListShape, OperationModel, ServiceModel, StructureShape

from featurestore_local.errors import AwsError

# Errors that AWS may return for any operation, although not every model lists them.
_COMMON_STATUS = {
    "AccessForbidden": 403,
    "InternalError": 500,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The parts of an HTTP request that determine the operation and its parameters.

    Attributes:
        path: Still percent-encoded: a feature group's ARN holds an encoded slash.
        target: The ``X-Amz-Target`` header, empty if there is none.
    """

    method: str
    path: str
    query: str = ""
    target: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operation and its parameters, not yet validated."""

    operation: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Wire(ABC):
    """The HTTP protocol of one AWS service.

    Attributes:
        validation_code: Error code for a request that breaks its model.
    """

    validation_code: str
    _content_type: str

    def __init__(self, service: ServiceModel, operations: Collection[str]) -> None:
        self._models = {name: service.operation_model(name) for name in operations}

    @abstractmethod
    def read(self, request: Request) -> Call | None:
        """Return the call of a request, or None if it is for another service.

        Raises:
            AwsError: SerializationException; the body is not a JSON object.
        """

    def input_shape(self, operation: str) -> StructureShape:
        """Return the model of an operation's parameters."""
        shape = self._models[operation].input_shape
        assert isinstance(shape, StructureShape)  # noqa: S101  # every operation here has input
        return shape

    def answer(self, result: dict[str, Any] | None) -> Answer:
        """Return a result as HTTP; None means an empty body."""
        body = b"" if result is None else msgspec.json.encode(result)
        return Answer(status=200, headers=(("Content-Type", self._content_type),), body=body)

    def refusal(self, error: AwsError, operation: str | None = None) -> Answer:
        """Return an error as HTTP, with the status that the operation's model gives it."""
        status = _COMMON_STATUS.get(error.code, 400)
        for shape in self._models[operation].error_shapes if operation else ():
            if shape.name == error.code:
                status = shape.metadata.get("error", {}).get("httpStatusCode", status)
        headers = (("Content-Type", self._content_type), ("x-amzn-errortype", error.code))
        body = {"__type": error.code, "message": error.message, "Message": error.message}
        return Answer(status=status, headers=headers, body=msgspec.json.encode(body))


class RestJson(Wire):
    """The protocol rest-json: method and path name the operation."""

    validation_code = "ValidationError"
    _content_type = "application/json"

    def __init__(self, service: ServiceModel, operations: Collection[str]) -> None:
        super().__init__(service, operations)
        self._routes = [(*_route(model), model) for model in self._models.values()]

    def read(self, request: Request) -> Call | None:  # noqa: D102
        for method, pattern, model in self._routes:
            match = pattern.fullmatch(request.path)
            if match is not None and request.method == method:
                params = dict(_located(model, match, request.query))
                return Call(operation=model.name, params=_json_object(request.body) | params)
        return None


class TargetJson(Wire):
    """The protocol json 1.1: the header ``X-Amz-Target`` names the operation."""

    validation_code = "ValidationException"
    _content_type = "application/x-amz-json-1.1"

    def __init__(self, service: ServiceModel, operations: Collection[str]) -> None:
        super().__init__(service, operations)
        self._prefix = f"{service.metadata['targetPrefix']}."

    def read(self, request: Request) -> Call | None:  # noqa: D102
        operation = request.target.removeprefix(self._prefix)
        if operation == request.target or operation not in self._models:
            return None
        return Call(operation=operation, params=_json_object(request.body))


class AthenaJson(TargetJson):
    """Athena's json 1.1, which differs in the name of one error."""

    validation_code = "InvalidRequestException"


def _route(model: OperationModel) -> tuple[str, re.Pattern[str]]:
    template = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", model.http["requestUri"])
    return model.http["method"], re.compile(template)


def _located(
    model: OperationModel, match: re.Match[str], query: str
) -> Iterator[tuple[str, str | list[str]]]:
    given = parse_qs(query, keep_blank_values=True)
    shape = model.input_shape
    for name, member in shape.members.items() if isinstance(shape, StructureShape) else ():
        location = member.serialization.get("location")
        key = member.serialization.get("name", name)
        if location == "uri":
            yield name, unquote(match[key])
        elif location == "querystring" and key in given:
            yield name, given[key] if isinstance(member, ListShape) else given[key][0]


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise AwsError(
            "SerializationException", f"The body must be a JSON object: {error}"
        ) from error


def refuse_other(service: str, error: AwsError) -> Answer:
    """Return an error as HTTP for a service that moto handles: in XML for S3."""
    status = _COMMON_STATUS.get(error.code, 400)
    if service != "s3":
        body = msgspec.json.encode({"__type": error.code, "message": error.message})
        return Answer(
            status=status, headers=(("Content-Type", "application/x-amz-json-1.1"),), body=body
        )
    xml = (
        f"<Error><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error>"
    )
    return Answer(status=status, headers=(("Content-Type", "application/xml"),), body=xml.encode())
