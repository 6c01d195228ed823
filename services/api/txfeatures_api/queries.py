"""The parameters of the routes; unknown ones are refused."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from txfeatures.domain.errors import InvalidMessageError
from txfeatures_api import logic

LARGEST_PAGE = 1_000


class FieldsQuery(BaseModel):
    """The features of an answer."""

    model_config = ConfigDict(extra="forbid")

    fields: str | None = Field(
        default=None,
        description="Names of features, comma-separated; tx_minute and revision come always. "
        "Default: all.",
    )


class LatestQuery(FieldsQuery):
    """Parameters of the latest row."""

    final: bool = Field(default=False, description="Only rows that are final.")
    max_staleness: float | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="Seconds; an older row is answered with 503.",
    )


class StreamQuery(FieldsQuery):
    """Parameters of the stream."""

    last_event_id: str | None = Field(
        default=None, description="As the header Last-Event-ID, for clients that can't send it."
    )


class RangeQuery(FieldsQuery):
    """Parameters of a range."""

    first: str | None = Field(
        default=None,
        alias="from",
        description=f"First minute, {logic.MINUTE_FORMATS}; default: `limit` minutes up to `to`.",
    )
    last: str | None = Field(
        default=None,
        alias="to",
        description="Last minute, included; default: the feed's present minute.",
    )
    limit: int = Field(default=60, ge=1, le=LARGEST_PAGE, description="Most minutes per answer.")
    cursor: str | None = Field(
        default=None, description="`next` of the page before; instead of `from` and `to`."
    )

    def minutes(self) -> tuple[int | None, int | None]:
        """Return the first and the last minute, as far as they are given.

        Raises:
            InvalidMessageError: One is no minute, or there is a cursor besides.
        """
        if self.cursor is not None:
            if self.first is not None or self.last is not None:
                raise InvalidMessageError(
                    "bad_cursor", "`cursor` replaces `from` and `to`; send it without them."
                )
            return logic.parse_cursor(self.cursor)
        first = None if self.first is None else logic.parse_minute(self.first)
        return first, None if self.last is None else logic.parse_minute(self.last)


def parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    """Return the OpenAPI parameters of a query that a route reads itself."""
    properties: dict[str, dict[str, Any]] = query.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema["description"],
            "schema": {key: value for key, value in schema.items() if key != "description"},
        }
        for name, schema in properties.items()
    ]
