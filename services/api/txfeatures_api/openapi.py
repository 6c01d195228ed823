"""The description of the api (OpenAPI 3.1): what FastAPI derives from the routes, completed.

docs/reference/openapi.json is this document; ``python docs/generate.py`` writes it.
"""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from txfeatures.domain.features import EMPTY, Declaration, minute_start_s
from txfeatures.domain.topics import AGGREGATED, DEDUPED, RAW
from txfeatures_api import problems
from txfeatures_api.declared import declared
from txfeatures_api.pipeline import PipelineCounts, StageCounts
from txfeatures_api.served import ServedRow

Json = dict[str, Any]

DESCRIPTION = """\
Features of live Bitcoin transactions, per minute of UTC.

The clock of all answers is the feed's: `as_of` is its time, and `staleness_s` the age of a row by
it. Within a process no answer is older than one before. Every failure is a problem (RFC 9457,
`application/problem+json`) whose `detail` says what to do next. Every answer carries
`X-Request-ID` and `traceparent`, those of the request if it has them.

Paths under `/features` are stable aliases of those under `/v1/features`.
"""

TAGS = [{"name": "features", "description": "Rows of features: one a minute, in revisions."}]

SECURITY_SCHEMES: Json = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the operator's, where TXF_API_TOKENS is set.",
    },
    "oidc": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of the issuer TXF_API_OIDC_ISSUER, where it is set.",
    },
}

_MINUTES = frozenset({"minute", "from", "to"})
"""Parameters that are minutes."""

_EXAMPLE_MINUTE = "2031-01-01 00:00:00"
_MINUTE_S = minute_start_s(_EXAMPLE_MINUTE)
_FEED_TIME_MS = (_MINUTE_S + 45) * 1000


def describe(app: FastAPI, declaration: Declaration) -> None:
    """Let ``app`` publish the completed description."""
    description: Json = {}

    def openapi() -> Json:
        if not description:
            description.update(_document(app, declaration))
        return description

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, declaration: Declaration) -> Json:
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_version=app.openapi_version,
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = problems.Problem.model_json_schema()
    components["securitySchemes"] = SECURITY_SCHEMES
    found["security"] = [{}, *({name: []} for name in SECURITY_SCHEMES)]
    examples = _examples(declaration)
    any_other = problems.responses(HTTPStatus.INTERNAL_SERVER_ERROR)[500]
    unauthenticated = problems.responses(HTTPStatus.UNAUTHORIZED)[401]
    for operation in operations(found):
        operation.setdefault("tags", ["features"])
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in _MINUTES:
                parameter.setdefault("example", _EXAMPLE_MINUTE)
        answers = operation["responses"]
        answers.setdefault("401", unauthenticated)
        answers["default"] = any_other | {"description": "Any other failure"}
        for answer in answers.values():
            for content in answer.get("content", {}).values():
                _add_example(content, examples)
    for unused in ("HTTPValidationError", "ValidationError"):  # every 422 is a problem
        schemas.pop(unused, None)
    return found


def operations(document: Json) -> Iterator[Json]:
    """Yield the operations of a document."""
    for path in document["paths"].values():
        yield from path.values()


def _add_example(content: Json, examples: Mapping[str, Json]) -> None:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if name in examples:
        content.setdefault("example", examples[name])


def _examples(declaration: Declaration) -> Mapping[str, Json]:
    found = declaration.row(
        EMPTY,
        minute_s=_MINUTE_S,
        event_time_ms=(_MINUTE_S + 40) * 1000 + 3,
        revision=3,
        is_final=False,
        gaps=0,
    )
    row: Json = json.loads(ServedRow(found).answer(_FEED_TIME_MS, declaration.names))
    return {
        "FeatureRow": row,
        "FeatureRows": {"rows": [row], "next": None, "as_of": row["as_of"]},
        "DeclaredFeatures": declared(declaration.features[:3]).model_dump(),
        "PipelineCounts": _pipeline(row["as_of"]),
    }


def _pipeline(as_of: str) -> Json:
    names = {RAW: "dedup", DEDUPED: "aggregator", AGGREGATED: "fs_writer", "stores": None}
    stages = [
        StageCounts(
            name=name,
            records=61_204,
            rate_per_s=7.2,
            reader=reader,
            lag_records=3 if reader else None,
            is_caught_up=True,
        )
        for name, reader in names.items()
    ]
    return PipelineCounts(
        as_of=as_of, stages=stages, late=4, dead_letters=0, polls=3_600, failed_polls=2, gaps=0
    ).model_dump()
