"""The table of ``txfeatures top``; it fits into 80 columns and 24 lines."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from txfeatures.cli.top.pipeline import Pipeline


def render(found: Pipeline) -> RenderableType:
    """Return the stages and, below them, the state of the whole."""
    return Group(_stages(found), "", _state(found))


def _stages(found: Pipeline) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("stage")
    for name in ("in", "in/s", "out", "out/s", "lag", "behind"):
        table.add_column(name, justify="right")
    for stage in found.stages:
        table.add_row(
            stage.name,
            f"{stage.records_in:,}",
            f"{stage.in_per_s:,.1f}",
            f"{stage.records_out:,}",
            f"{stage.out_per_s:,.1f}",
            "-" if stage.lag_records is None else f"{stage.lag_records:,}",
            "-" if stage.behind_s is None else f"{stage.behind_s:,.1f} s",
        )
    return table


def _state(found: Pipeline) -> Table:
    fresh = "-" if found.freshness_s is None else f"{found.freshness_s:,.1f} s"
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("feed's clock", found.feed_time or "-", "gaps", _count(found.gaps))
    table.add_row("newest minute", found.newest_minute or "-", "late", _count(found.late))
    table.add_row("freshness", fresh, "dead letters", _count(found.dead_letters))
    table.add_row("not ready", _warning(", ".join(found.unready)) if found.unready else "none")
    return table


def _count(number: int) -> Text | str:
    return _warning(f"{number:,}") if number else "0"


def _warning(text: str) -> Text:
    return Text(text, style="bold yellow")
