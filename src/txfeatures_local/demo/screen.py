"""The screen of the demo: counts of each stage, the newest minute, the addresses."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from txfeatures.cli.top.counts import Counts
from txfeatures.domain.features import Feature
from txfeatures.domain.topics import AGGREGATED, DEDUPED, RAW
from txfeatures_local.demo.plan import Addresses

Answer = Mapping[str, object]
"""The api's answer for the newest minute."""

WIDTH = 80
MOST_FEATURES = 14
"""Features of the newest minute for which there is room."""


def render(
    counts: Counts,
    newest: Answer | None,
    *,
    features: Sequence[Feature],
    title: str,
    addresses: Addresses,
) -> RenderableType:
    """Return the whole screen; it fits into 80 columns and 24 lines."""
    return Group(
        _panel(_stages(counts), title, subtitle="Ctrl-C stops everything"),
        _panel(_minute(newest, features), _minute_title(newest), subtitle=_minute_age(newest)),
        _panel(
            _addresses(addresses),
            "addresses",
            subtitle=f"source {addresses.source or 'the live endpoint'}",
        ),
    )


def summary(counts: Counts, newest: Answer | None) -> str:
    """Return the same in one line, for output that is not a terminal."""
    minute = newest["tx_minute"] if newest else "no row yet"
    return (
        f"published {_published(counts)}  forwarded {_forwarded(counts)}  "
        f"rows {counts.total('txf_fs_writer_rows_total')}  "
        f"archived {counts.total('txf_fs_writer_archived_transactions_total')}  newest {minute}"
    )


def _panel(content: RenderableType, title: str, subtitle: str | None = None) -> Panel:
    return Panel(content, title=title, title_align="left", subtitle=subtitle, width=WIDTH)


def _stages(counts: Counts) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("stage")
    table.add_column("in", justify="right")
    table.add_column("out", justify="right")
    table.add_column("")
    total = counts.total
    failed = total("txf_poller_polls_total") - total("txf_poller_polls_total", outcome="ok")
    table.add_row(
        "poller",
        f"{total('txf_poller_transactions_seen_total'):,}",
        f"{_published(counts):,}",
        f"{total('txf_poller_polls_total'):,} polls, {failed:,} failed, "
        f"{total('txf_poller_gaps_total'):,} gaps",
    )
    table.add_row(
        "dedup",
        f"{total('txf_dedup_records_total', direction='in', topic=RAW):,}",
        f"{total('txf_dedup_records_total', direction='out', topic=DEDUPED):,}",
        f"{total('txf_dedup_duplicates_total'):,} duplicates; ticks are counted too",
    )
    table.add_row(
        "aggregator",
        f"{total('txf_aggregator_records_total', direction='in', topic=DEDUPED):,}",
        f"{total('txf_aggregator_records_total', direction='out', topic=AGGREGATED):,}",
        f"{total('txf_aggregator_rows_total', kind='final'):,} final, "
        f"{total('txf_aggregator_rows_total', kind='correction'):,} corrections, "
        f"{total('txf_aggregator_late_transactions_total'):,} late",
    )
    table.add_row(
        "fs_writer",
        f"{total('txf_fs_writer_records_total', direction='in', topic=AGGREGATED):,}",
        f"{total('txf_fs_writer_rows_total'):,}",
        f"{total('txf_fs_writer_archived_transactions_total'):,} archived in "
        f"{total('txf_fs_writer_archive_objects_total'):,} objects",
    )
    table.add_row("api", f"{total('txf_api_requests_total'):,}", "", _freshness(counts))
    dead = sum(total(f"txf_{s}_dlq_records_total") for s in _DEAD_LETTERS)
    table.add_row("dead letters", "", f"{dead:,}", "")
    return table


def _published(counts: Counts) -> int:
    return counts.total("txf_poller_transactions_published_total")


def _forwarded(counts: Counts) -> int:
    return counts.total("txf_dedup_records_total", direction="out", topic=DEDUPED)


def _freshness(counts: Counts) -> str:
    freshness = counts.latest("txf_fs_writer_freshness_seconds")
    feed = counts.latest("txf_poller_feed_time_seconds")
    if freshness is None or not feed:
        return "waiting for the first row"
    clock = datetime.fromtimestamp(feed, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"feed {clock}, store {freshness:.1f} s behind"


def _minute(newest: Answer | None, features: Sequence[Feature]) -> RenderableType:
    if newest is None:
        return "no row yet"
    names = [feature.name for feature in features if feature.name not in _IN_FRAME]
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    shown = names[:MOST_FEATURES]
    for pair in zip_longest(shown[::2], shown[1::2], fillvalue=""):
        table.add_row(*(cell for name in pair for cell in (name, _short(newest.get(name, "")))))
    if len(names) > len(shown):
        table.caption = f"and {len(names) - len(shown)} more"
    return table


def _minute_title(newest: Answer | None) -> str:
    if newest is None:
        return "newest minute"
    return (
        f"tx_minute {newest['tx_minute']}, revision {newest['revision']}, "
        f"is_final {newest['is_final']}"
    )


def _minute_age(newest: Answer | None) -> str | None:
    if newest is None:
        return None
    return f"event_time {newest['event_time']}, staleness_s {newest.get('staleness_s', '')}"


def _short(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _addresses(addresses: Addresses) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("live page", f"{addresses.api}/")
    table.add_row("documentation", f"{addresses.api}/docs")
    table.add_row("Kafka, local AWS", f"{addresses.kafka}, {addresses.aws}")
    return table


_IN_FRAME = frozenset({"tx_minute", "revision", "is_final", "event_time"})

_DEAD_LETTERS = ("poller", "dedup", "aggregator", "fs_writer")
