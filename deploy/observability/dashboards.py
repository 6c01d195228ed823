"""Generator of the Grafana dashboards: ``python deploy/observability/dashboards.py [--check]``.

The dashboards are declared in `pipeline` and `workers`; Grafana reads the generated JSON, and
a test fails if it is stale.
"""

import json
from itertools import count
from pathlib import Path

import typer
from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.common import TooltipDisplayMode as Tooltip
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
)

from deploy.generated import Generated
from deploy.observability.panels import Board, Panel
from deploy.observability.pipeline import PIPELINE
from deploy.observability.workers import WORKERS

PANEL_HEIGHT = 8
GRID_WIDTH = 24
PANELS_IN_A_ROW = 3

BOARDS = (PIPELINE, WORKERS)

_SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")


def files() -> dict[str, str]:
    """Return file name -> JSON of every dashboard."""
    return {f"{board.uid}.json": _json(board) for board in BOARDS}


def _json(board: Board) -> str:
    built = _dashboard(board).build()
    return json.dumps(built, cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _dashboard(board: Board) -> dashboard.Dashboard:
    everything = VariableOption(text="All", value="$__all")
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["txfeatures"])
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("utc")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("namespace")
            .datasource(_SOURCE)
            .query("label_values(txf_poller_feed_time_seconds, namespace)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")  # also matches series without a namespace
            .current(everything)
        )
    )
    numbers = count(1)
    for row in board.rows:
        made.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            made.with_panel(_panel(panel).id(next(numbers)))
    return made


def _panel(panel: Panel) -> timeseries.Panel:
    made = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .unit(panel.unit)
        .axis_soft_min(0)
        .fill_opacity(10)
        .height(PANEL_HEIGHT)
        .span(GRID_WIDTH // PANELS_IN_A_ROW)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(Tooltip.MULTI))
    )
    for number, query in enumerate(panel.queries):
        made.with_target(
            prometheus.Dataquery()
            .expr(query.expr)
            .legend_format(query.legend)
            .ref_id(chr(ord("A") + number))
            .range()
        )
    return made


GENERATED = Generated(
    command="python deploy/observability/dashboards.py",
    directory=Path(__file__).parent / "grafana" / "dashboards",
    files=files,
)

if __name__ == "__main__":
    typer.run(GENERATED.main)
