"""An evaluator of IAM policies: the part of AWS's rules that our policies use."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Need:
    """One right that a call needs.

    Attributes:
        action: The action.
        resources: ARNs; all must be allowed.
        context: Condition keys of the call, sorted.
    """

    action: str
    resources: tuple[str, ...]
    context: tuple[tuple[str, str], ...] = ()


def allows(policy: Policy, need: Need) -> bool:
    """Return whether a policy allows all that is needed and denies none of it."""
    context = dict(need.context)

    def applies(statement: Policy, resource: str) -> bool:
        return (
            _matches(statement["Action"], need.action, is_action=True)
            and _matches(statement["Resource"], resource)
            and all(
                _holds(operator, values, context)
                for operator, values in statement.get("Condition", {}).items()
            )
        )

    for resource in need.resources:
        effects = {s["Effect"] for s in policy["Statement"] if applies(s, resource)}
        if effects != {"Allow"}:
            return False
    return True


def without_each_action(policy: Policy) -> Iterator[tuple[str, Policy]]:
    """Yield, for each action of each statement, its name and the policy without it."""
    for number, statement in enumerate(policy["Statement"]):
        for action in _list(statement["Action"]):
            changed = deepcopy(dict(policy))
            kept = [name for name in _list(statement["Action"]) if name != action]
            if kept:
                changed["Statement"][number]["Action"] = kept
            else:
                del changed["Statement"][number]
            yield f"{action} on {', '.join(_list(statement['Resource']))}", changed


def without_each_resource(policy: Policy) -> Iterator[tuple[str, Policy]]:
    """Yield, for each resource of a statement with several, its name and the policy without it."""
    for number, statement in enumerate(policy["Statement"]):
        resources = _list(statement["Resource"])
        for resource in resources if len(resources) > 1 else ():
            changed = deepcopy(dict(policy))
            kept = [name for name in resources if name != resource]
            changed["Statement"][number]["Resource"] = kept
            yield f"{', '.join(_list(statement['Action']))} on {resource}", changed


def _holds(operator: str, values: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    if operator == "StringEquals":
        return all(context.get(key) in _list(wanted) for key, wanted in values.items())
    if operator == "StringNotEquals":
        return all(context.get(key) not in _list(wanted) for key, wanted in values.items())
    if operator == "Bool":
        return all(context.get(key) == str(wanted).lower() for key, wanted in values.items())
    raise NotImplementedError(f"the evaluator lacks the condition {operator}")


def _matches(patterns: str | Sequence[str], name: str, *, is_action: bool = False) -> bool:
    return any(_pattern(pattern, is_action).fullmatch(name) for pattern in _list(patterns))


@lru_cache(maxsize=1000)
def _pattern(text: str, is_action: bool) -> re.Pattern[str]:
    escaped = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.IGNORECASE if is_action else 0)


def _list(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
