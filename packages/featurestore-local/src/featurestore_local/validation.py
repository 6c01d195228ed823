"""Validation of requests against the constraints in botocore's own models.

botocore doesn't check patterns, maxima and enums; AWS refuses requests that break them.
So does this validator, for any operation, in AWS's form.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from featurestore_local.errors import AwsError

# The models' patterns are Java's. These are the constructs that Python's re lacks.
_JAVA_TO_PYTHON = (
    (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"),
    (r"\p{L}", r"\w"),
    (r"\p{N}", r"\d"),
    (r"\p{Z}", r"\s"),
)
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "boolean": bool,
    "list": list,
    "map": dict,
    "structure": dict,
}


def check(params: dict[str, Any], shape: StructureShape, code: str) -> None:
    """Refuse a request that breaks a constraint of its model.

    Members that the model doesn't define are ignored, as on AWS.

    Args:
        params: The request, as parsed from the wire.
        shape: Input shape of the operation.
        code: Error code for a broken constraint.

    Raises:
        AwsError: With ``code`` and all breaches, or SerializationException for a JSON type
            that isn't the model's.
    """
    found = list(_breaches(params, shape, ""))
    if found:
        plural = "s" if len(found) > 1 else ""
        raise AwsError(code, f"{len(found)} validation error{plural} detected: " + "; ".join(found))


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a model's pattern as a Python expression."""
    for java, python in _JAVA_TO_PYTHON:
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


def _breaches(value: Any, shape: Shape, path: str) -> Iterator[str]:
    _check_type(value, shape, path)
    yield from _bounds(value, shape, path)
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if value.get(name) is None:
                yield _breach(None, _join(path, name), "Member must not be null")
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _breaches(value[name], member, _join(path, name))
        if shape.is_tagged_union and len([m for m in shape.members if m in value]) != 1:
            yield _breach(value, path, "Exactly one member must be set")
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value, start=1):
            yield from _breaches(item, shape.member, f"{path}.{index}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _breaches(key, shape.key, f"{path}.{key}.key")
            yield from _breaches(item, shape.value, f"{path}.{key}.member")


def _check_type(value: Any, shape: Shape, path: str) -> None:
    expected = _PYTHON_TYPES[shape.type_name]
    is_bool_for_number = isinstance(value, bool) and expected is not bool
    if not isinstance(value, expected) or is_bool_for_number:
        raise AwsError(
            "SerializationException",
            f"'{path or 'request'}' must be a JSON {shape.type_name}, not {value!r:.80}",
        )


def _bounds(value: Any, shape: Shape, path: str) -> Iterator[str]:
    limits = shape.metadata
    is_sized = isinstance(value, (str, list, dict))
    size = len(value) if is_sized else value
    subject = "have length" if is_sized else "have value"
    if "min" in limits and size < limits["min"]:
        yield _breach(
            value, path, f"Member must {subject} greater than or equal to {limits['min']}"
        )
    if "max" in limits and size > limits["max"]:
        yield _breach(value, path, f"Member must {subject} less than or equal to {limits['max']}")
    if "pattern" in limits and not compiled(limits["pattern"]).fullmatch(value):
        yield _breach(
            value, path, f"Member must satisfy regular expression pattern: {limits['pattern']}"
        )
    if "enum" in limits and value not in limits["enum"]:
        yield _breach(
            value, path, f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]"
        )


def _breach(value: Any, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value!s:.80}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    member = name[0].lower() + name[1:]
    return f"{path}.{member}" if path else member
