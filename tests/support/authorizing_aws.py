"""A local AWS with IAM: each call is refused that the policy of its caller does not allow.

It stands before another local AWS, which knows no rights. The access key id names the caller.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.utils import formatdate
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from xml.etree import ElementTree

import urllib3
from featurestore_local.listener import Listener

from tests.support.aws_needs import ACCOUNT, Call, needs
from tests.support.iam import Need, Policy, allows
from txfeatures.process.clock import SystemClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")
_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "expect", "content-length"}

ADMINISTRATOR = "local"
"""The access key id of the tests themselves, who may do everything."""


@dataclass(slots=True)
class AuthorizingAws:
    """The stand-in, between entering and leaving.

    Args:
        behind: URL of the local AWS behind it.
        policies: Caller -> what it may do.
        kms_key: ARN of the key of bucket, feature group and results, if there is one.
        ahead_s: Seconds by which its clock, the date of each answer, is ahead of this machine's.
        expired: Callers whose credentials have expired.

    Attributes:
        used: Caller -> every right that its calls have needed.
        refused: Each refusal: the caller and the right it lacks.
    """

    behind: str
    policies: Mapping[str, Policy]
    kms_key: str | None = None
    ahead_s: float = 0.0
    expired: set[str] = field(default_factory=set)
    used: dict[str, set[Need]] = field(default_factory=dict)
    refused: list[tuple[str, Need]] = field(default_factory=list)
    _open: ExitStack = field(default_factory=ExitStack)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _workgroups: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def __enter__(self) -> Self:
        pool = urllib3.PoolManager(num_pools=2, maxsize=32, retries=False)
        self._open.callback(pool.clear)
        listener = Listener(host="127.0.0.1", port=0)
        self._open.callback(listener.close)
        self.url = f"http://127.0.0.1:{listener.port}"
        listener.start(_application(self, pool))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def check(self, caller: str, wanted: Iterable[Need]) -> Need | None:
        """Note what a call needs; return what its caller lacks."""
        for need in wanted:
            with self._lock:
                self.used.setdefault(caller, set()).add(need)
            if caller != ADMINISTRATOR and not allows(self.policies[caller], need):
                with self._lock:
                    self.refused.append((caller, need))
                return need
        return None

    def workgroup(self, execution: str) -> str:
        """Return the workgroup in which a query was started."""
        return self._workgroups.get(execution, "primary")

    def started(self, execution: str, workgroup: str) -> None:
        """Keep the workgroup of a query."""
        self._workgroups[execution] = workgroup


def _application(aws: AuthorizingAws, pool: urllib3.PoolManager) -> Callable[..., Iterable[bytes]]:
    def application(environ: dict[str, Any], start: "StartResponse") -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        caller, region, service = found.groups() if found else (ADMINISTRATOR, "", "")
        call = Call(
            service=service,
            region=region,
            method=environ["REQUEST_METHOD"],
            uri=environ["RAW_URI"],
            target=environ.get("HTTP_X_AMZ_TARGET", ""),
            body=body,
            kms_key=aws.kms_key,
            workgroup=aws.workgroup,
        )
        date = ("Date", formatdate(SystemClock().now() + aws.ahead_s, usegmt=True))
        if caller in aws.expired:
            return _refuse_expired(call, date, start)
        owner = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER", ACCOUNT)
        if owner != ACCOUNT:
            return _refuse(call, caller, call.lists, start)
        lacking = aws.check(caller, needs(call))
        if lacking:
            return _refuse(call, caller, lacking, start)
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_") and name[5:].replace("_", "-").lower() not in _HOP
        }
        headers["Content-Type"] = environ["CONTENT_TYPE"]
        answer = pool.urlopen(
            call.method,
            f"{aws.behind}{call.uri}",
            body=body,
            headers={name: value for name, value in headers.items() if value},
            redirect=False,
            decode_content=False,
        )
        if answer.status == 404 and call.is_object and (lacking := aws.check(caller, [call.lists])):
            return _refuse(call, caller, lacking, start)
        if call.operation == "StartQueryExecution" and answer.status == 200:
            aws.started(json.loads(answer.data)["QueryExecutionId"], call.workgroup_named)
        kept = [(n, v) for n, v in answer.headers.items() if n.lower() not in {*_HOP, "date"}]
        kept.append(date)
        start(f"{answer.status} ", kept)
        return [answer.data]

    return application


def _refuse(call: Call, caller: str, need: Need, start: "StartResponse") -> Iterable[bytes]:
    message = (
        f"User: arn:aws:sts::123456789012:assumed-role/{caller}/session is not authorized to "
        f"perform: {need.action} on resource: {need.resources[0]} because no identity-based "
        f"policy allows the {need.action} action"
    )
    if call.service == "s3":
        root = ElementTree.Element("Error")
        ElementTree.SubElement(root, "Code").text = "AccessDenied"
        ElementTree.SubElement(root, "Message").text = message
        start("403 ", [("Content-Type", "application/xml")])
        return [b"" if call.method == "HEAD" else ElementTree.tostring(root)]
    code = "AccessDeniedException"
    start(
        "400 " if call.target else "403 ",
        [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)],
    )
    return [json.dumps({"__type": code, "Message": message, "message": message}).encode()]


def _refuse_expired(call: Call, date: tuple[str, str], start: "StartResponse") -> Iterable[bytes]:
    """Refuse as STS does, which a client calls before the others."""
    assert call.service == "sts", f"{call.service} is called with credentials that STS refuses"
    root = ElementTree.Element("ErrorResponse")
    error = ElementTree.SubElement(root, "Error")
    ElementTree.SubElement(error, "Code").text = "ExpiredToken"
    ElementTree.SubElement(error, "Message").text = "The security token included is expired"
    start("403 ", [("Content-Type", "text/xml"), date])
    return [ElementTree.tostring(root)]
