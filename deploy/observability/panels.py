"""What a dashboard is made of, and how its queries are put together."""

from collections.abc import Iterator
from dataclasses import dataclass

NAMESPACES = 'namespace=~"$namespace"'
"""All of them, or no such label at all, unless some are chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One or several curves: PromQL, and what the legend calls them."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart.

    Attributes:
        unit: Of its axis, by Grafana's name: ``s``, ``Bps``, ``cps`` and ``cpm`` (counts a
            second, a minute), ``short`` (plain numbers).
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels side by side, three at most."""

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
        """All its panels."""
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
    """Return the rate of a counter in counts a minute, summed by labels."""
    return f"60 * {per_second(metric, *where, by=by)}"


def last_hour(metric: str, *where: str) -> str:
    """Return by how much a counter rose within an hour."""
    return f"sum(increase({series(metric, *where)}[1h]))"


def slowest(histogram: str, *, by: str = "") -> str:
    """Return the duration that 95 % of a histogram's events do not exceed."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile(0.95, {per_second(f'{histogram}_bucket', by=labels)})"


def behind(gauge: str, *where: str, of: str = "max") -> str:
    """Return how far a gauge of the feed's clock is behind the poller's, in seconds."""
    feed = f"max({series('txf_poller_feed_time_seconds')})"
    return f"{feed} - {of}({series(gauge, *where)})"
