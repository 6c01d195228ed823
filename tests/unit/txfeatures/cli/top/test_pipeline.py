import httpx
import pytest
from prometheus_client import generate_latest
from rich.console import Console

from txfeatures.cli.top.command import Watch
from txfeatures.cli.top.counts import Counts, read
from txfeatures.cli.top.pipeline import Pipeline, pipeline
from txfeatures.cli.top.screen import render
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics

FEED_S = 1_729_334_970.0
ADDRESSES = {name: f"http://{name}" for name in ("poller", "dedup", "aggregator", "fs_writer")}


class Processes:
    """Processes that answer with their metrics, but for those of ``gone``."""

    def __init__(self) -> None:
        self.metrics = {name: Metrics(name) for name in ADDRESSES}
        self.gone: set[str] = set()
        self.unready: set[str] = set()
        self.client = httpx.Client(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.host
        if name in self.gone:
            raise httpx.ConnectError("refused")
        if request.url.path == "/readyz":
            return httpx.Response(503 if name in self.unready else 200)
        return httpx.Response(200, content=generate_latest(self.metrics[name].registry))

    def work(self) -> None:
        """Let each stage do 10 records more."""
        self.metrics["poller"].count("transactions_seen_total", 20)
        self.metrics["poller"].count("transactions_published_total", 10)
        self.metrics["poller"].set("feed_time_seconds", FEED_S)
        self.metrics["poller"].count("gaps_total", 1)
        self.metrics["dedup"].count_flow("in", "raw", [1] * 10)
        self.metrics["dedup"].count_flow("out", "deduped", [1] * 9)
        self.metrics["dedup"].set("lag_records", 4, topic="raw", partition="0")
        self.metrics["dedup"].set("lag_records", 3, topic="raw", partition="1")
        self.metrics["dedup"].set("partition_time_seconds", FEED_S - 2, partition="0")
        self.metrics["dedup"].set("partition_time_seconds", FEED_S - 5, partition="1")
        self.metrics["aggregator"].count("late_transactions_total", 2, outcome="late")
        self.metrics["fs_writer"].set("event_time_seconds", FEED_S - 1)
        self.metrics["fs_writer"].set("freshness_seconds", 1.0)


@pytest.fixture
def processes() -> Processes:
    return Processes()


def watched(processes: Processes, *, seconds: float = 2.0) -> Pipeline:
    clock = ManualClock()
    processes.work()
    watch = Watch(ADDRESSES, client=processes.client, clock=clock)
    processes.work()
    clock.advance(seconds)
    return watch.look()


def test_rates_are_those_between_two_readings(processes: Processes) -> None:
    poller, dedup, *_ = watched(processes, seconds=4.0).stages
    assert (poller.records_in, poller.records_out) == (40, 20)
    assert (poller.in_per_s, poller.out_per_s) == (5.0, 2.5)
    assert (dedup.records_in, dedup.records_out, dedup.in_per_s) == (20, 18, 2.5)


def test_lag_is_added_up_and_the_slowest_partition_counts(processes: Processes) -> None:
    poller, dedup, *_ = watched(processes).stages
    assert (dedup.lag_records, dedup.behind_s) == (7, 5.0)
    assert (poller.lag_records, poller.behind_s) == (None, None)


def test_the_state_of_the_whole(processes: Processes) -> None:
    found = watched(processes)
    assert (found.feed_time, found.newest_minute) == ("2024-10-19 10:49:30", "2024-10-19 10:49")
    assert (found.freshness_s, found.gaps, found.late, found.dead_letters) == (1.0, 2, 4, 0)
    assert found.unready == ()


def test_processes_that_are_not_ready_or_gone_are_named(processes: Processes) -> None:
    processes.gone, processes.unready = {"aggregator"}, {"dedup"}
    assert watched(processes).unready == ("dedup", "aggregator")


def test_a_restarted_process_has_no_negative_rate() -> None:
    before = Counts({"txf_poller_transactions_seen_total": [({}, 100.0)]})
    found = pipeline(before, Counts({}), seconds=1.0)
    assert found.stages[0].in_per_s == 0.0


def test_without_any_answer_it_ends_in_one_sentence(processes: Processes) -> None:
    processes.gone = {*ADDRESSES}
    with pytest.raises(FatalError, match=r"no process answers at http://poller, .*; check the"):
        Watch(ADDRESSES, client=processes.client, clock=ManualClock())


def test_an_address_that_serves_something_else_is_not_ready() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="<html>")

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        found = read({"a": "http://a"}, client)
    assert (found.unready, found.answered) == (("a",), 0)


def test_the_table_fits_a_small_terminal_and_shows_every_stage(processes: Processes) -> None:
    processes.unready = {"dedup"}
    console = Console(width=80, height=24)
    with console.capture() as capture:
        console.print(render(watched(processes)))
    lines = capture.get().splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for expected in ("poller", "dedup", "aggregator", "fs_writer", "api", "2024-10-19 10:49"):
        assert expected in text
    assert "not ready" in text


def test_colours_need_a_terminal_and_no_no_color(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes.unready = {"dedup"}
    found = render(watched(processes))

    def shown(*, is_terminal: bool) -> str:
        console = Console(width=80, force_terminal=is_terminal)
        with console.capture() as capture:
            console.print(found)
        return capture.get()

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;33m" in shown(is_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "33m" not in shown(is_terminal=True)
    assert "\x1b" not in shown(is_terminal=False)
