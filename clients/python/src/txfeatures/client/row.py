"""The row of one minute, as the api returns it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from txfeatures.client.declared import REQUIRED, TYPES, DeclaredFeatures
from txfeatures.client.errors import BadAnswerError
from txfeatures.client.position import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(DeclaredFeatures):
    """The features of one minute; each declared feature is an attribute.

    Attributes:
        staleness_s: Age of the row by the feed's clock when it was returned, seconds.
        as_of: The feed's clock at that moment, ISO 8601, UTC.
        more: Fields that this release of the client doesn't declare, by name.
    """

    staleness_s: float | None = None
    as_of: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Any) -> Self:
        """Return the row that the api wrote as the JSON object ``values``.

        Raises:
            BadAnswerError: A field is missing or has another type.
        """
        if not isinstance(values, dict):
            raise BadAnswerError("A row is not a JSON object; upgrade the client or the api.")
        if missing := sorted(REQUIRED - values.keys()):
            raise BadAnswerError(
                f"A row has no {', '.join(missing)}; upgrade the client or the api."
            )
        declared = {name: _checked(name, values[name]) for name in _TYPES if name in values}
        more = {name: value for name, value in values.items() if name not in _TYPES}
        return cls(**declared, more=more)

    @property
    def position(self) -> Position:
        """The row's place in the stream."""
        return Position(self.tx_minute, self.revision)

    @property
    def id(self) -> str:
        """The row's place in the stream as text; ``stream(after=...)`` takes it."""
        return str(self.position)

    @property
    def minute(self) -> datetime:
        """The start of the minute, UTC."""
        return datetime.strptime(self.tx_minute, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


_TYPES: Mapping[str, type] = {**TYPES, "staleness_s": float, "as_of": str}


def _checked(name: str, value: Any) -> Any:
    wanted = _TYPES[name]
    if value is None and name not in REQUIRED:
        return None
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise BadAnswerError(
            f"{name} is {value!r}, not {wanted.__name__}; upgrade the client or the api."
        )
    return value
