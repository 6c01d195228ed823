"""Partition projection: the partitions of a table, derived from its properties alone.

Athena computes every location that the properties allow and lists each. Here, all objects are
listed and those that the properties allow are kept: the same objects, in fewer requests.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from featurestore_local.athena.errors import QueryError

_JAVA_DATE = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_NOW = re.compile(r"NOW(?:([+-])(\d+)(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?)?")
_UNIT_DAYS = {"YEAR": 365.25, "MONTH": 30.44, "WEEK": 7.0, "DAY": 1.0}
_UNIT_S = {"HOUR": 3600.0, "MINUTE": 60.0, "SECOND": 1.0} | {
    unit: days * 86_400 for unit, days in _UNIT_DAYS.items()
}


class Projection:
    """The partitions that a table's properties project.

    Args:
        location: The table's own location.
        keys: Its partition columns, in order.
        properties: The table's ``projection.*`` and ``storage.location.template``.
        now_s: The value of ``NOW``, in epoch seconds.

    Raises:
        QueryError: The properties don't define the projection of a column.
    """

    def __init__(
        self, location: str, keys: Sequence[str], properties: Mapping[str, str], *, now_s: float
    ) -> None:
        self._keys = keys
        self._properties = properties
        self._now = datetime.fromtimestamp(now_s, UTC)
        default = location.rstrip("/") + "/" + "".join(f"{key}=${{{key}}}/" for key in keys)
        template = properties.get("storage.location.template", default).rstrip("/") + "/"
        if missing := [key for key in keys if f"${{{key}}}" not in template]:
            raise self._refusal(f"storage.location.template has no ${{{missing[0]}}}")
        self.root = template[: template.index("${")].rpartition("/")[0] + "/"
        self._pattern = re.compile(_template_pattern(template))
        for key in keys:
            self._property(key, "type")

    def values_of(self, uri: str) -> tuple[str, ...] | None:
        """Return the values of the partition that an object lies in, or None if in none."""
        match = self._pattern.match(uri)
        if match is None:
            return None
        values = tuple(match[_group(key)] for key in self._keys)
        allowed = (self._allows(k, v) for k, v in zip(self._keys, values, strict=True))
        return values if all(allowed) else None

    def _allows(self, key: str, value: str) -> bool:
        kind = self._property(key, "type")
        if kind == "enum":
            return value in [each.strip() for each in self._property(key, "values").split(",")]
        if kind == "integer":
            return self._allows_integer(key, value)
        if kind == "date":
            return self._allows_date(key, value)
        raise self._refusal(f"a projection of type {kind} is not supported here")

    def _allows_integer(self, key: str, value: str) -> bool:
        first, last = (int(bound) for bound in self._property(key, "range").split(","))
        digits = int(self._properties.get(f"projection.{key}.digits", "1"))
        interval = int(self._properties.get(f"projection.{key}.interval", "1"))
        if not value.isdecimal() or value != str(int(value)).zfill(digits):
            return False
        return first <= int(value) <= last and (int(value) - first) % interval == 0

    def _allows_date(self, key: str, value: str) -> bool:
        form = _python_format(self._property(key, "format"))
        first, last = (
            self._moment(bound.strip(), form) for bound in self._property(key, "range").split(",")
        )
        try:
            moment = datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            return False
        return moment.strftime(form) == value and first <= moment <= last

    def _moment(self, bound: str, form: str) -> datetime:
        match = _NOW.fullmatch(bound)
        if match is None:
            return datetime.strptime(bound, form).replace(tzinfo=UTC)
        if match[1] is None:
            return self._now
        shift = timedelta(seconds=int(match[2]) * _UNIT_S[match[3]])
        return self._now + shift if match[1] == "+" else self._now - shift

    def _property(self, key: str, name: str) -> str:
        try:
            return self._properties[f"projection.{key}.{name}"]
        except KeyError:
            raise self._refusal(f"projection.{key}.{name} is missing") from None

    @staticmethod
    def _refusal(cause: str) -> QueryError:
        return QueryError("INVALID_TABLE_PROPERTY", f"The table can't be projected: {cause}")


def is_projected(properties: Mapping[str, str]) -> bool:
    """Return whether a table's partitions are projected instead of registered."""
    return properties.get("projection.enabled", "").lower() == "true"


def _template_pattern(template: str) -> str:
    parts = re.split(r"\$\{(\w+)\}", template)
    pattern, seen = re.escape(parts[0]), set()
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        group = _group(name)
        pattern += f"(?P={group})" if name in seen else f"(?P<{group}>[^/]+)"
        pattern += re.escape(text)
        seen.add(name)
    return pattern


def _group(key: str) -> str:
    return f"key_{key}"


def _python_format(java: str) -> str:
    return re.sub("yyyy|MM|dd|HH|mm|ss", lambda match: _JAVA_DATE[match[0]], java).replace("'", "")
