"""The rights as tables for the documentation."""

import re
from collections.abc import Iterator

from deploy.iam.declared import PROCESSES
from deploy.iam.grants import Grant, Process

Row = tuple[str, ...]

_WHAT = re.compile(r"arn:\{partition\}:[\w-]+:[^:]*:[^:]*:(.+)")
_ONLY = {"key": " (with a key)", "iceberg": " (Iceberg)", None: ""}


def aws_rows() -> Iterator[Row]:
    """Yield process, actions and resources of AWS, a row for each grant."""
    for name, process in PROCESSES.items():
        for number, grant in enumerate(process.aws):
            label = f"`{name}`" if number == 0 else ""
            resources = ", ".join(f"`{_what(template)}`" for template in grant.resources)
            yield label, _actions(grant), f"{resources}{_ONLY[grant.only]}"


def kafka_rows() -> Iterator[Row]:
    """Yield process, actions and names in Kafka, a row for each set of actions."""
    for name, process in PROCESSES.items():
        if process.kafka:
            for number, (actions, kind, names) in enumerate(process.kafka.statements()):
                label = f"`{name}`" if number == 0 else ""
                named = ", ".join(f"`{each}`" for each in names if each)
                yield label, ", ".join(actions), f"{kind} {named}".strip()


def process_rows() -> Iterator[Row]:
    """Yield each process, its description and what takes its role."""
    for name, process in PROCESSES.items():
        yield f"`{name}`", process.description, _taker(process)


def _taker(process: Process) -> str:
    if process.principal:
        return f"`{process.principal}`"
    return f"service account `<release>-{process.account}`" if process.account else "its user"


def _actions(grant: Grant) -> str:
    service = grant.actions[0].partition(":")[0]
    return f"`{service}:` " + ", ".join(action.partition(":")[2] for action in grant.actions)


def _what(template: str) -> str:
    found = _WHAT.fullmatch(template)
    return re.sub(r"\{(\w+)\}", r"<\1>", found[1] if found else template)
