"""A running pipeline observed by Prometheus, with our rules, and by a collector of traces."""

import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from kafka_local.ports import free_port
from kafka_local.process import GuardedProcess

from bench.collector import Collector, running_collector
from deploy.observability.dashboards import BOARDS
from tests.observability.conftest import PROMETHEUS, program
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import SERVICES
from txfeatures_local.demo.plan import HOST, Plan, Source
from txfeatures_local.demo.stack import Stack

pytestmark = pytest.mark.integration

TIMEOUT_S = 200.0

CHOICES = {"$__rate_interval": "10s", "$namespace": ".*"}
"""Grafana's variables of a query -> their values for a scrape every second."""


class WatchedStack(Stack):
    """A stack with traces, and with archive objects that take less than a minute."""

    endpoint = ""

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "TXF_TRACING_ENDPOINT": self.endpoint,
            "TXF_FS_WRITER_ARCHIVE_CUT_S": "5",
            "OTEL_BSP_SCHEDULE_DELAY": "500",
            "NO_PROXY": HOST,
        }


class Watched:
    """A running pipeline with its Prometheus and its collector."""

    def __init__(self, stack: Stack, url: str, collector: Collector) -> None:
        self.collector = collector
        self._stack = stack
        self._client = httpx.Client(base_url=url, timeout=5.0, trust_env=False)
        self._clock = SystemClock()

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """Return the series of an instant query with a number as value."""
        for name, value in CHOICES.items():
            expr = expr.replace(name, value)
        answer = self._client.get("/api/v1/query", params={"query": expr})
        assert answer.status_code == 200, f"{expr}: {answer.text}"
        series: list[dict[str, Any]] = answer.json()["data"]["result"]
        return [one for one in series if not math.isnan(float(one["value"][1]))]

    def use_api(self) -> None:
        """Request the latest row, as a user does."""
        self._client.get(f"{self._stack.addresses.api}/features/latest")

    def wait_until(self, is_true: Callable[[], bool]) -> bool:
        """Wait until ``is_true``; return False if it takes too long."""
        deadline = self._clock.monotonic() + TIMEOUT_S
        while not is_true():
            self._stack.check()
            if self._clock.monotonic() > deadline:
                return False
            self._clock.wait(threading.Event(), 1.0)
        return True

    def is_up(self) -> bool:
        """Return whether Prometheus answers."""
        try:
            return self._client.get("/-/ready").is_success
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def config(stack: Stack) -> dict[str, Any]:
    """Return the committed configuration with the addresses of ``stack`` and a scrape a second."""
    committed: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    [job] = committed["scrape_configs"]
    targets = [
        {"targets": [f"{HOST}:{port}"], "labels": {"service": name}}
        for name, port in stack.addresses.operations.items()
    ]
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(PROMETHEUS / name) for name in committed["rule_files"]],
        "scrape_configs": [{"job_name": job["job_name"], "static_configs": targets}],
    }


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    prometheus, directory = program("prometheus"), tmp_path_factory.mktemp("watched")
    stack = WatchedStack(
        plan=Plan(source=Source.SIMULATION, port=free_port()),
        directory=directory,
        report=lambda _: None,
        clock=SystemClock(),
        stop=threading.Event(),
    )
    with running_collector() as collector:
        stack.endpoint = collector.endpoint
        with stack:
            yield from watch(stack, collector, prometheus, directory)


def watch(
    stack: Stack, collector: Collector, prometheus: str, directory: Path
) -> Iterator[Watched]:
    """Run Prometheus beside the stack."""
    file, address = directory / "prometheus.yml", f"{HOST}:{free_port()}"
    file.write_text(yaml.safe_dump(config(stack)))
    process = GuardedProcess(
        [
            prometheus,
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address={address}",
        ],
        cwd=directory,
        output=directory / "prometheus.log",
        env={},
    )
    watching = Watched(stack, f"http://{address}", collector)
    try:
        assert watching.wait_until(watching.is_up), last_words(directory)
        yield watching
    finally:
        watching.close()
        process.stop(10.0)


def last_words(directory: Path) -> str:
    return (directory / "prometheus.log").read_text()[-2000:]


def test_all_five_services_are_scraped(watched: Watched) -> None:
    assert watched.wait_until(lambda: len(watched.ask("up == 1")) == len(SERVICES))
    assert {one["metric"]["service"] for one in watched.ask("up == 1")} == set(SERVICES)


def test_the_query_of_every_panel_returns_data(watched: Watched) -> None:
    waiting = {
        f"{board.uid}, {panel.title}: {query.legend}": query.expr
        for board in BOARDS
        for panel in board.panels
        for query in panel.queries
    }
    assert len(waiting) > 40

    def has_all() -> bool:
        watched.use_api()
        for name in [name for name, expr in waiting.items() if watched.ask(expr)]:
            del waiting[name]
        return not waiting

    watched.wait_until(has_all)
    assert waiting == {}


def test_bytes_are_archived_and_rows_reach_the_feature_store(watched: Watched) -> None:
    archived = 'txf_fs_writer_bytes_total{direction="out", topic="s3"} > 0'
    rows = "sum(txf_fs_writer_rows_total) > 0"
    assert watched.wait_until(lambda: bool(watched.ask(archived) and watched.ask(rows)))


def test_nothing_in_flight_is_unaccounted_for_long(watched: Watched) -> None:
    stages = watched.ask("txf:unaccounted:records")
    assert len(stages) == 3
    assert watched.wait_until(
        lambda: len(watched.ask("min_over_time(txf:unaccounted:records[30s]) == 0")) == 3
    )


def test_a_healthy_pipeline_raises_no_alert(watched: Watched) -> None:
    # A busy machine polls late, and the api has no row in its first seconds.
    usual = {"TxfFeedGap", "TxfApiErrors"}

    def alerts(query: str) -> set[str]:
        return {one["metric"]["alertname"] for one in watched.ask(query)}

    # In a stage's first seconds its clock stands and the feed's moves, so an alert may be pending;
    # in a healthy pipeline it is withdrawn, and none has ever fired.
    assert watched.wait_until(lambda: alerts("ALERTS") <= usual), alerts("ALERTS")
    assert alerts('last_over_time(ALERTS{alertstate="firing"}[1h])') <= usual


def test_a_row_in_the_store_can_be_traced_back_to_its_poll(watched: Watched) -> None:
    def is_traced() -> bool:
        """Return whether links lead from a put of rows through the aggregator to a poll."""
        spans = watched.collector.spans()
        names = {span.span_id: f"{service}: {span.name}" for service, span in spans}
        links = {span.span_id: {link.span_id for link in span.links} for _, span in spans}
        found = {id_ for id_, name in names.items() if name == "fs_writer: process aggregated"}
        for name in (
            "aggregator: process partials",
            "aggregator: process deduped",
            "poller: send raw",
        ):
            found = {to for id_ in found for to in links[id_] if names.get(to) == name}
        return bool(found) and "dedup: process raw" in names.values()

    assert watched.wait_until(is_traced)
