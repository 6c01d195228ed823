import json
from itertools import pairwise
from typing import Any

import pytest
import yaml

from deploy.observability import dashboards
from deploy.observability.panels import Board, Panel
from deploy.observability.pipeline import PIPELINE
from tests.observability.conftest import PROMETHEUS

DASHBOARDS = dashboards.GENERATED.directory
GRAFANA = DASHBOARDS.parent

boards = pytest.mark.parametrize("board", dashboards.BOARDS, ids=lambda board: board.uid)
panels = pytest.mark.parametrize(
    "panel",
    [panel for board in dashboards.BOARDS for panel in board.panels],
    ids=lambda panel: panel.title,
)


def written(board: Board) -> dict[str, Any]:
    text = (DASHBOARDS / f"{board.uid}.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_json_equals_the_code() -> None:
    assert dashboards.GENERATED.stale() == [], f"run `{dashboards.GENERATED.command}`"
    names = {path.name for path in DASHBOARDS.iterdir()}
    assert names == dashboards.files().keys()


def test_the_two_widgets_of_old_come_first() -> None:
    first, second = list(PIPELINE.panels)[:2]
    assert [query.legend for query in first.queries] == ["polled", "in", "archived"]
    assert second.title == "Rows to the Feature Store"


@panels
def test_a_panel_says_what_it_shows_in_which_unit(panel: Panel) -> None:
    assert panel.description.endswith(".")
    assert panel.unit in {"s", "Bps", "bytes", "cps", "cpm", "percentunit", "short"}
    assert panel.queries
    assert all(query.legend for query in panel.queries)


@boards
def test_every_panel_asks_the_chosen_source_about_the_chosen_namespaces(board: Board) -> None:
    shown = [panel for panel in written(board)["panels"] if panel["type"] != "row"]
    assert len(shown) == len(list(board.panels))
    for panel in shown:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert 'namespace=~"$namespace"' in target["expr"]
    source, namespace = written(board)["templating"]["list"]
    assert (source["name"], source["type"]) == ("datasource", "datasource")
    assert (namespace["name"], namespace["allValue"]) == ("namespace", ".*")


@boards
def test_panels_have_numbers_of_their_own_and_do_not_overlap(board: Board) -> None:
    placed = written(board)["panels"]
    assert [panel["id"] for panel in placed] == list(range(1, len(placed) + 1))
    for before, after in pairwise(panel["gridPos"] for panel in placed):
        is_beside = after["y"] == before["y"] and after["x"] == before["x"] + before["w"]
        is_below = after["y"] == before["y"] + before["h"] and after["x"] == 0
        assert is_beside or is_below


def test_grafana_reads_from_where_prometheus_and_the_dashboards_are() -> None:
    provisioned = GRAFANA / "provisioning"
    text = (provisioned / "datasources" / "prometheus.yml").read_text()
    [source] = yaml.safe_load(text)["datasources"]
    prometheus = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    [provider] = yaml.safe_load((provisioned / "dashboards" / "txfeatures.yml").read_text())[
        "providers"
    ]
    assert provider["type"] == "file"
