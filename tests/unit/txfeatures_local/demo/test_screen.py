from collections.abc import Mapping

import httpx
import pytest
from prometheus_client import generate_latest
from rich.console import Console

from tests.support.declared import FEATURES
from txfeatures.cli.top import counts
from txfeatures.cli.top.counts import Counts
from txfeatures.process.metrics import Metrics
from txfeatures_local.demo import screen
from txfeatures_local.demo.plan import Addresses

ADDRESSES = Addresses(
    kafka="127.0.0.1:20000",
    aws="http://127.0.0.1:20001",
    source=None,
    api="http://127.0.0.1:8000",
    operations={"poller-1": 1, "poller-2": 2, "dedup": 3, "gone": 4},
)


@pytest.fixture
def found() -> Counts:
    metrics = {name: Metrics(name) for name in ("poller", "dedup")}
    metrics["poller"].count("polls_total", 3, outcome="ok")
    metrics["poller"].count("polls_total", 2, outcome="html")
    metrics["poller"].set("feed_time_seconds", 1_729_334_970)
    metrics["dedup"].count_flow("in", "raw", [1, 2])
    pages = {
        1: generate_latest(metrics["poller"].registry),
        2: generate_latest(metrics["poller"].registry),
        3: generate_latest(metrics["dedup"].registry),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.port not in pages:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=pages[request.url.port])

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        return counts.read(ADDRESSES.metrics, client)


def shown(found: Counts, newest: Mapping[str, object] | None) -> list[str]:
    console = Console(width=80, height=24, record=True, file=None, quiet=True)
    console.quiet = False
    with console.capture() as capture:
        console.print(
            screen.render(found, newest, title="txfeatures", addresses=ADDRESSES, features=FEATURES)
        )
    return capture.get().splitlines()


def test_the_samples_of_several_pollers_are_added_and_one_that_is_gone_adds_nothing(
    found: Counts,
) -> None:
    assert found.total("txf_poller_polls_total") == 10
    assert found.total("txf_poller_polls_total", outcome="html") == 4
    assert found.latest("txf_poller_feed_time_seconds") == 1_729_334_970
    assert found.latest("txf_api_staleness_seconds") is None


def test_the_screen_fits_into_80_columns_and_24_lines(found: Counts) -> None:
    newest: dict[str, object] = {feature.name: 12_345_678 for feature in FEATURES}
    lines = shown(found, newest | {"tx_minute": "2024-10-19 10:49:00", "staleness_s": 0.5})
    assert len(lines) <= 23  # the line below it is the cursor's
    assert max(map(len, lines)) <= 80


def test_every_feature_and_address_and_the_failed_polls_are_on_the_screen(found: Counts) -> None:
    text = "\n".join(shown(found, {feature.name: 1 for feature in FEATURES}))
    for expected in (*(f.name for f in FEATURES), "staleness_s", "10 polls, 4 failed"):
        assert expected in text
    assert f"{ADDRESSES.api}/ " in text


def test_before_the_first_row_it_says_so(found: Counts) -> None:
    assert "no row yet" in "\n".join(shown(found, None))
    assert screen.summary(found, None).endswith("newest no row yet")
