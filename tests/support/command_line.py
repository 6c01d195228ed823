"""Command lines of AWS's program, checked against the models of its services."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import jmespath
from botocore import xform_name
from botocore.session import get_session

OF_THE_PROGRAM = {
    ("ecr", "get-login-password"): frozenset[str](),
    ("eks", "update-kubeconfig"): frozenset({"name", "alias"}),
    ("logs", "tail"): frozenset({"since", "follow"}),
}
"""Commands that no model has -> the options of theirs that we use."""

EVERYWHERE = frozenset({"query", "output", "region", "profile"})
FLAGS = frozenset({"follow"})


class WrongCommandError(Exception):
    """AWS's program would refuse the command."""


def check_aws(arguments: Sequence[str]) -> None:
    """Check what follows ``aws``: command, options, and a query for its answer.

    Raises:
        WrongCommandError: The program would refuse it.
    """
    service, command, *rest = arguments
    given = _options(rest)
    if (service, command) in OF_THE_PROGRAM:
        known, needed = OF_THE_PROGRAM[service, command], frozenset[str]()
    elif command == "wait":
        known, needed = _parameters(service, _waited_for(service, rest[0]))
    else:
        known, needed = _parameters(service, command)
    if unknown := given.keys() - known - EVERYWHERE:
        raise WrongCommandError(f"aws {service} {command} has no option {', '.join(unknown)}")
    if missing := needed - given.keys():
        raise WrongCommandError(f"aws {service} {command} lacks {', '.join(missing)}")
    if "query" in given:
        jmespath.compile(given["query"])


def _options(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for number, word in enumerate(words):
        name = word.removeprefix("--")
        if word.startswith("--"):
            found[name] = "" if name in FLAGS else words[number + 1]
    return found


@cache
def _model(service: str) -> Any:
    session = get_session()
    if service not in session.get_available_services():
        raise WrongCommandError(f"aws has no service {service}")
    return session.get_service_model(service)


def _waited_for(service: str, waiter: str) -> str:
    found = get_session().get_waiter_model(service)
    for name in found.waiter_names:
        if xform_name(name, "-") == waiter:
            return xform_name(found.get_waiter(name).operation, "-")
    raise WrongCommandError(f"aws {service} can't wait for {waiter}")


def _parameters(service: str, command: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the options of a command, and those that it needs."""
    model = _model(service)
    for operation in model.operation_names:
        if xform_name(operation, "-") == command:
            shape = model.operation_model(operation).input_shape
            if shape is None:
                return frozenset(), frozenset()
            names = {name: xform_name(name, "-") for name in shape.members}
            return frozenset(names.values()), frozenset(names[n] for n in shape.required_members)
    raise WrongCommandError(f"aws {service} has no command {command}")
