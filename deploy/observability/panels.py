"""The parts of a dashboard, and builders of its queries."""

from collections.abc import Iterator
from dataclasses import dataclass

NAMESPACES = 'namespace=~"$namespace"'
"""Matcher of the chosen namespaces; by default of all, and of series without the label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One or several curves: their PromQL and their legend."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart.

    Attributes:
        unit: Grafana's name of the unit of its axis: ``s``, ``Bps``, ``cps`` and ``cpm`` (counts
            per second and per minute), ``percentunit`` (a share of 1), ``short`` (plain numbers).
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """At most three panels side by side."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        """The panels of all rows."""
        return (panel for row in self.rows for panel in row.panels)


def series(metric: str, *where: str) -> str:
    """Return the selector of a metric in the chosen namespaces.

    >>> series("up", 'job="a"')
    'up{namespace=~"$namespace", job="a"}'
    """
    return f"{metric}{{{', '.join([NAMESPACES, *where])}}}"


def per_second(metric: str, *where: str, by: str = "") -> str:
    """Return the rate of a counter, summed by labels."""
    return f"sum by ({by}) (rate({series(metric, *where)}[$__rate_interval]))"


def per_minute(metric: str, *where: str, by: str = "") -> str:
    """Return the rate of a counter per minute, summed by labels."""
    return f"60 * {per_second(metric, *where, by=by)}"


def last_hour(metric: str, *where: str) -> str:
    """Return the increase of a counter within an hour."""
    return f"sum(increase({series(metric, *where)}[1h]))"


def slowest(histogram: str, *, by: str = "", share: float = 0.95) -> str:
    """Return the duration that ``share`` of a histogram's events do not exceed."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {per_second(f'{histogram}_bucket', by=labels)})"


def behind(gauge: str, *where: str, of: str = "max") -> str:
    """Return the seconds by which a gauge of the feed clock is behind that of the poller."""
    feed = f"max({series('txf_poller_feed_time_seconds')})"
    return f"{feed} - {of}({series(gauge, *where)})"
