"""The WSGI application, which handles Feature Store and Athena and leaves the rest to moto."""

import io
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from werkzeug.test import run_wsgi_app

from featurestore_local import faults
from featurestore_local.changes import Changes
from featurestore_local.clock import Clock
from featurestore_local.errors import AwsError, DropConnectionError, invalid_settings
from featurestore_local.faults import Fault, FaultPlan
from featurestore_local.validation import check
from featurestore_local.wire import Answer, Call, Request, Wire, refuse_other

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

_SCOPE = re.compile(r"Credential=[^/]*/\d*/([^/]+)/([^/]+)/")

_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_READING_OPERATIONS = ("BatchGet", "Describe", "Get", "List", "Search", "StartQuery", "StopQuery")
"""Prefixes of operations that change nothing, or only the state of a query, which is not kept."""

Handler = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An AWS service that this package implements.

    Attributes:
        handlers: The function of each operation, called with validated parameters.
        is_foreign: Returns whether a call is left to moto nevertheless.
    """

    wire: Wire
    handlers: Mapping[str, Handler]
    is_foreign: Callable[[Call], bool] = lambda _: False


class Application:
    """Dispatches each request to its service and injects the planned faults.

    Args:
        services: Tried in order; the first that recognizes the request handles it.
        local: Handles the paths under ``/_local/``, which AWS does not have.
        moto: Handles all other requests.
        plan: The planned faults.
        changes: Makes each of moto's changes atomic, as on AWS: moto reads first and stores later.
        region: The only region served; with more, groups and tables could be in different ones.
        clock: Times calls that hang.
        stop: Ends calls that hang.
    """

    def __init__(
        self,
        *,
        services: Iterable[Service],
        local: Callable[[Request], Answer],
        moto: "WSGIApplication",
        plan: FaultPlan,
        changes: Changes,
        region: str,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._services = tuple(services)
        self._local = local
        self._moto = moto
        self._plan = plan
        self._changes = changes
        self._region = region
        self._clock = clock
        self._stop = stop

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Handle one request.

        Raises:
            DropConnectionError: A fault drops the connection.
        """
        request = _read_request(environ)
        if request.path.startswith("/_local/"):
            answer: Answer | None = self._local(request)
        else:
            answer = self._answer(request, environ)
        if answer is None:
            return self._forward(environ, start_response)
        start_response(f"{answer.status} ", list(answer.headers))
        return [answer.body]

    def _answer(self, request: Request, environ: dict[str, Any]) -> Answer | None:
        for service in self._services:
            try:
                call = service.wire.read(request)
            except AwsError as error:
                return service.wire.refusal(error)
            if call is not None and not service.is_foreign(call):
                try:
                    self._check_region(environ)
                    return service.wire.answer(self._perform(service, call, environ))
                except AwsError as error:
                    return service.wire.refusal(error, call.operation)
        return None

    def _perform(
        self, service: Service, call: Call, environ: dict[str, Any]
    ) -> dict[str, Any] | None:
        fault = self._plan.next(call.operation)
        self._strike(fault)
        check(call.params, service.wire.input_shape(call.operation), service.wire.validation_code)
        handler = service.handlers[call.operation]
        if fault is not None and fault.error == faults.UNPROCESSED:
            handler = partial(faults.process_in_part, fault, handler)
        if call.operation.startswith(_READING_OPERATIONS):
            result = handler(call.params)
        else:
            with self._changes.ordered(environ):
                result = handler(call.params)
        if fault is not None and fault.error == faults.COMMIT_THEN_DROP:
            raise DropConnectionError
        return result

    def _forward(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        _, service = _scope(environ)
        fault = self._plan.next(f"{service}:{environ['REQUEST_METHOD']}")
        try:
            self._strike(fault)
        except AwsError as error:
            answer = refuse_other(service, error)
            start_response(f"{answer.status} ", list(answer.headers))
            return [answer.body]
        if fault is not None and fault.error == faults.COMMIT_THEN_DROP:
            run_wsgi_app(self._serve_moto, environ, buffered=True)
            raise DropConnectionError
        return self._serve_moto(environ, start_response)

    def _serve_moto(
        self, environ: dict[str, Any], start_response: "StartResponse"
    ) -> Iterable[bytes]:
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        if environ["REQUEST_METHOD"] in _READING_METHODS or operation.startswith(
            _READING_OPERATIONS
        ):
            return self._moto(environ, start_response)
        with self._changes.change(environ):
            return self._moto(environ, start_response)

    def _strike(self, fault: Fault | None) -> None:
        if fault is None or fault.error in {faults.UNPROCESSED, faults.COMMIT_THEN_DROP}:
            return
        if fault.error == faults.HANG:
            self._clock.wait(self._stop, fault.hang_s)
        if fault.error in {faults.HANG, faults.DROP}:
            raise DropConnectionError
        raise AwsError(fault.error, fault.message)

    def _check_region(self, environ: dict[str, Any]) -> None:
        region, _ = _scope(environ)
        if region not in {"", self._region}:
            raise invalid_settings(
                f"This local AWS serves {self._region}, and the request is for {region}; "
                f"set AWS_DEFAULT_REGION={self._region}, or start it with --region {region}."
            )


def _read_request(environ: dict[str, Any]) -> Request:
    body = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["RAW_URI"].partition("?")[0],
        query=environ["QUERY_STRING"],
        target=environ.get("HTTP_X_AMZ_TARGET", ""),
        body=body,
    )


def _scope(environ: dict[str, Any]) -> tuple[str, str]:
    """Return the region and service that a request was signed for, or empty strings."""
    match = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (match[1], match[2]) if match else ("", "")
