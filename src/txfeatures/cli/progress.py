"""The progress bar of long work."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from txfeatures.process.progress import Progress


@contextmanager
def progress_bar(name: str, unit: str) -> Iterator["Progress"]:
    """Show a bar on standard error while the context lasts; yield the function that moves it.

    It is not shown where standard error is no terminal.

    Args:
        name: What is being done.
        unit: Its parts, in the plural.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
