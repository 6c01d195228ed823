"""The pages of the command line and of the Python client, for `generate`."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from txfeatures.client import AsyncFeatures, Features, Retries, errors

from txfeatures.cli import create_app


def commands() -> Iterator[str]:
    """Yield the parts of commands.md: the help of each command, as a terminal shows it."""
    yield (
        "The command `txfeatures`, as `--help` shows it. A command whose extra is not installed is "
        "left out of the list. `txfeatures --install-completion` teaches bash, zsh and fish to "
        "complete it."
    )
    root: Any = typer.main.get_command(create_app())
    yield from _command(root, ["txfeatures"])


def client() -> Iterator[str]:
    """Yield the parts of client.md."""
    yield (
        "`from txfeatures.client import Features`, from the distribution "
        "[txfeatures-client](../../clients/python/README.md). "
        "[Read features from Python](../how-to/python-client.md) shows it at work. The attributes "
        "of a row are the [features](features.md)."
    )
    yield "## Features"
    yield _block([inspect.getdoc(Features) or ""])
    for name, method in _methods(Features):
        yield f"### {name}"
        yield _block([f"{name}{_parameters(method)}", "", inspect.getdoc(method) or ""])
    yield "## AsyncFeatures"
    yield _block([inspect.getdoc(AsyncFeatures) or ""])
    names = ", ".join(f"`{name}`" for name, _ in _methods(AsyncFeatures))
    yield f"The same methods as coroutines: {names}."
    yield "## Retries"
    yield _block([inspect.getdoc(Retries) or ""])
    yield "## Errors"
    tree = (inspect.getdoc(errors) or "").partition("::\n\n")[2]
    yield _block([inspect.cleandoc(tree)])


def _command(command: Any, words: list[str]) -> Iterator[str]:
    yield f"{'#' * min(len(words) + 1, 4)} {' '.join(words)}"
    context = command.context_class(command, info_name=" ".join(words), terminal_width=100)
    yield _block([command.get_help(context)])
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _command(child, [*words, name])


def _methods(cls: type) -> list[tuple[str, Any]]:
    found = inspect.getmembers(cls, inspect.isfunction)
    return [(name, method) for name, method in found if not name.startswith("_")]


def _parameters(method: Any) -> str:
    signature = inspect.signature(method)
    own = [p for p in signature.parameters.values() if p.name != "self"]
    return str(signature.replace(parameters=own))


def _block(lines: Sequence[str]) -> str:
    text = "\n".join(line.rstrip() for line in "\n".join(lines).strip().splitlines())
    return f"```text\n{text}\n```"
