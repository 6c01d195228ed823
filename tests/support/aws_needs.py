"""The rights that AWS documents for each call: those of the call, and those of what it causes."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from tests.support.iam import Need

ACCOUNT = "123456789012"

_SUBRESOURCES = {
    "versioning": "s3:PutBucketVersioning",
    "lifecycle": "s3:PutLifecycleConfiguration",
    "policy": "s3:PutBucketPolicy",
    "encryption": "s3:PutEncryptionConfiguration",
    "publicAccessBlock": "s3:PutBucketPublicAccessBlock",
}
"""What a PUT of a bucket changes -> the action that allows it."""

_SHOWN = {
    name: {
        "s3:PutLifecycleConfiguration": "s3:GetLifecycleConfiguration",
        "s3:PutEncryptionConfiguration": "s3:GetEncryptionConfiguration",
    }.get(action, action.replace("Put", "Get"))
    for name, action in _SUBRESOURCES.items()
}
"""What a GET of a bucket shows -> the action that allows it."""

_CREATES_WITH_KEY = (
    "Encrypt",
    "Decrypt",
    "DescribeKey",
    "CreateGrant",
    "RetireGrant",
    "ReEncryptFrom",
    "ReEncryptTo",
    "GenerateDataKey",
    "ListAliases",
    "ListGrants",
    "RevokeGrant",
)
"""Of the key of an online store, for the caller of CreateFeatureGroup (its API reference)."""


@dataclass(frozen=True)
class Call:
    """One request of a client."""

    service: str
    region: str
    method: str
    uri: str
    target: str
    body: bytes
    kms_key: str | None
    workgroup: Callable[[str], str]

    @property
    def operation(self) -> str:
        """The operation that the header names, if one does."""
        return self.target.rpartition(".")[2]

    @cached_property
    def params(self) -> dict[str, Any]:
        """The parameters in a JSON body."""
        found: dict[str, Any] = json.loads(self.body or b"{}")
        return found

    @cached_property
    def path(self) -> list[str]:
        """The parts of the path: bucket and key, or the words of a REST call."""
        return unquote(urlsplit(self.uri).path).lstrip("/").split("/", 1)

    @property
    def query(self) -> dict[str, list[str]]:
        """The query."""
        return parse_qs(urlsplit(self.uri).query, keep_blank_values=True)

    @property
    def is_object(self) -> bool:
        """True if it reads an object of S3."""
        is_key = len(self.path) == 2 and bool(self.path[1])
        return self.service == "s3" and is_key and self.method in {"GET", "HEAD"}

    @property
    def lists(self) -> Need:
        """What it takes to learn that an object is missing: without, the answer is AccessDenied."""
        return Need("s3:ListBucket", (bucket(self.path[0]),))

    @property
    def workgroup_named(self) -> str:
        """The workgroup of a query."""
        return str(self.params.get("WorkGroup", "primary"))

    def arn(self, service: str, resource: str) -> str:
        """Return an ARN in this account."""
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{resource}"

    def key(self, service: str, *actions: str) -> Iterator[Need]:
        """Yield what the use of the key needs, if there is one."""
        if self.kms_key:
            via = (("kms:ViaService", f"{service}.{self.region}.amazonaws.com"),)
            for action in actions:
                yield Need(f"kms:{action}", (self.kms_key,), via)


def bucket(name: str, key: str = "") -> str:
    """Return the ARN of a bucket or an object."""
    return f"arn:aws:s3:::{name}/{key}" if key else f"arn:aws:s3:::{name}"


def needs(call: Call) -> list[Need]:
    """Return what a call needs.

    Raises:
        NotImplementedError: Nothing is known of it, so no process may use it untested.
    """
    if not call.service:
        return []  # the paths of the local AWS that AWS lacks
    return list(_SERVICES[call.service](call))


def _s3(call: Call) -> Iterator[Need]:
    name, key = (*call.path, "")[:2]
    if key:
        action = {
            "GET": "GetObject",
            "HEAD": "GetObject",
            "PUT": "PutObject",
            "DELETE": "DeleteObjectVersion" if "versionId" in call.query else "DeleteObject",
        }[call.method]
        yield Need(f"s3:{action}", (bucket(name, key),))
        if call.method != "DELETE":
            yield from call.key("s3", "GenerateDataKey" if call.method == "PUT" else "Decrypt")
    elif call.method == "PUT":
        changes = [_SUBRESOURCES[each] for each in call.query if each in _SUBRESOURCES]
        yield Need(changes[0] if changes else "s3:CreateBucket", (bucket(name),))
    elif call.method == "POST" and "delete" in call.query:
        for found in ElementTree.XML(call.body).iter():
            if found.tag.endswith("Key"):
                yield Need("s3:DeleteObject", (bucket(name, found.text or ""),))
    elif call.method == "GET" and (shown := [_SHOWN[q] for q in call.query if q in _SHOWN]):
        yield Need(shown[0], (bucket(name),))
    elif call.method in {"GET", "HEAD"} and set(call.query) <= {
        *("list-type", "prefix", "start-after", "continuation-token", "max-keys"),
        "encoding-type",
    }:
        yield Need("s3:ListBucket", (bucket(name),))
    else:
        raise NotImplementedError(f"{call.method} {call.uri}")


def _sagemaker(call: Call) -> Iterator[Need]:
    if not call.target:
        yield from _records(call)
        return
    group = call.params.get("FeatureGroupName", "")
    arn = call.params.get("ResourceArn", call.arn("sagemaker", f"feature-group/{group}"))
    yield Need(f"sagemaker:{call.operation}", (arn,))
    if call.operation == "CreateFeatureGroup":
        if "RoleArn" in call.params:  # a group without an offline store needs none
            passed = (("iam:PassedToService", "sagemaker.amazonaws.com"),)
            yield Need("iam:PassRole", (call.params["RoleArn"],), passed)
        if call.params.get("Tags"):
            yield Need("sagemaker:AddTags", (arn,))
        if call.params.get("OnlineStoreConfig", {}).get("SecurityConfig"):
            yield from call.key("sagemaker", *_CREATES_WITH_KEY)


def _records(call: Call) -> Iterator[Need]:
    if call.path[0] == "FeatureGroup":
        actions = {"PUT": ["PutRecord"], "GET": ["GetRecord"], "DELETE": ["DeleteRecord"]}[
            call.method
        ]
        names = [call.path[1]]
    else:
        # BatchWriteRecord needs both (AWS's SDK); its parts name their groups.
        actions = {
            "BatchGetRecord": ["BatchGetRecord"],
            "BatchWriteRecord": ["BatchWriteRecord", "PutRecord"],
        }[call.path[0]]
        parts = call.params.get("Identifiers") or call.params["Entries"]
        names = sorted({part["FeatureGroupName"] for part in parts})
    arns = tuple(call.arn("sagemaker", f"feature-group/{name}") for name in names)
    for action in actions:
        yield Need(f"sagemaker:{action}", arns)
    yield from call.key("sagemaker", "Decrypt")


def _glue(call: Call) -> Iterator[Need]:
    table = call.params.get("Name") or call.params.get("TableInput", {}).get("Name")
    database = call.params.get("DatabaseName") or call.params["DatabaseInput"]["Name"]
    yield Need(f"glue:{call.operation}", _catalog(call, database, table))


def _catalog(call: Call, database: str, table: str | None) -> tuple[str, ...]:
    found = ["catalog", f"database/{database}"]
    if table:
        found.append(f"table/{database}/{table}")
    return tuple(call.arn("glue", resource) for resource in found)


_NAMED_TABLE = re.compile(r'(?:FROM|OPTIMIZE|VACUUM)\s+(?:"(\w+)"\.)?"(\w+)"')


def _athena(call: Call) -> Iterator[Need]:
    name = call.params.get("WorkGroup") or call.workgroup(call.params.get("QueryExecutionId", ""))
    yield Need(f"athena:{call.operation}", (call.arn("athena", f"workgroup/{name}"),))
    if call.operation != "StartQueryExecution":
        return
    # Athena reads and writes with the caller's rights: results, the catalog, the data.
    if "ResultConfiguration" in call.params:
        place = urlsplit(call.params["ResultConfiguration"]["OutputLocation"])
        yield Need("s3:GetBucketLocation", (bucket(place.netloc),))
        yield Need("s3:PutObject", (bucket(place.netloc, f"{place.path.lstrip('/')}id.csv"),))
        yield from call.key("s3", "GenerateDataKey")
    sql = call.params["QueryString"]
    found = _NAMED_TABLE.search(sql)
    if found is None:
        raise NotImplementedError(f"the tables of {sql}")
    database = found[1] or call.params["QueryExecutionContext"]["Database"]
    changes = sql.startswith(("OPTIMIZE", "VACUUM"))
    yield Need("glue:GetDatabase", _catalog(call, database, None))
    yield Need("glue:GetTable", _catalog(call, database, found[2]))
    if changes:
        yield Need("glue:UpdateTable", _catalog(call, database, found[2]))
    data = bucket("txfeatures", f"feature-store/{ACCOUNT}/sagemaker/any")
    if database == "txfeatures":
        data = bucket("txfeatures", "archive/deduped/any")
    for action in ("GetObject", "PutObject", "DeleteObject") if changes else ("GetObject",):
        yield Need(f"s3:{action}", (data,))
    yield from call.key("s3", "Decrypt")


def _sts(_: Call) -> Iterator[Need]:
    yield from ()  # everybody may learn who they are


def _servicequotas(call: Call) -> Iterator[Need]:
    yield Need(f"servicequotas:{call.operation}", ("*",))


_SERVICES: dict[str, Callable[[Call], Iterator[Need]]] = {
    "s3": _s3,
    "sagemaker": _sagemaker,
    "glue": _glue,
    "athena": _athena,
    "sts": _sts,
    "servicequotas": _servicequotas,
}
