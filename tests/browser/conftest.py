import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka_local.ports import free_port
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.browser.site import PATIENCE_S, Site, make_row, serving
from txfeatures.domain.model import Row

CHROMIUM = Path("/usr/bin/chromium")

log = logging.getLogger(__name__)
"""pytest shows it where a test fails."""

expect.set_options(timeout=PATIENCE_S * 1000)


@dataclass(slots=True)
class Visit:
    """A page, the requests it made and the errors of its console."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for a module's tests.

    Playwright's event loop runs in this thread while it is open, and `asyncio.run` of other tests
    would be refused beside it: it must be closed before another module's test.
    """
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: install Debian's package chromium")
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, which builds often are.
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def three_hours() -> list[Row]:
    """Return rows with a gap, a late minute, five minutes without row, and two provisional."""
    numbers = [number for number in range(180) if not 100 <= number < 105]
    special: dict[int, dict[str, Any]] = {40: {"nb_gaps_1min": 2}, 60: {"nb_late_trx_1min": 3}}
    rows = [make_row(number, **special.get(number, {})) for number in numbers]
    open_rows = [make_row(number, revision=30, is_final=False) for number in (180, 181)]
    return [*rows, *open_rows]


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The page over the rows that a test names, three hours of them if it names none."""
    with serving(free_port(), *getattr(request, "param", three_hours())) as site:
        yield site


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Open]:
    with opener(browser, site) as open_page:
        yield open_page


@pytest.fixture
def open_guarded(browser: Browser) -> Iterator[Open]:
    """The page of an api that demands the token ``a-token``."""
    rows = [make_row(number) for number in range(20)]
    with serving(free_port(), *rows, token="a-token") as site, opener(browser, site) as open_page:
        yield open_page


@contextmanager
def opener(browser: Browser, site: Site) -> Iterator[Open]:
    """Return a function that opens the page of ``site``, as often as it is called."""
    contexts = []

    def open_page(
        *,
        address: str = site.url,
        scheme: Any = "light",
        width: int = 1280,
        height: int = 900,
        **options: Any,
    ) -> Visit:
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": height}, **options
        )
        contexts.append(context)
        visit = Visit(context.new_page())
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
        visit.page.on("console", partial(note, visit))
        visit.page.on("requestfailed", note_failure)
        visit.page.goto(address)
        return visit

    yield open_page
    for context in contexts:
        context.close()


def note(visit: Visit, message: ConsoleMessage) -> None:
    log.warning("%s: %s", message.type, message.text)
    if message.type in {"error", "warning"}:
        visit.errors.append(message.text)


def note_failure(request: Request) -> None:
    log.warning("%s: %s", request.url, request.failure)
