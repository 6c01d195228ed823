from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.site import Site, make_row

pytestmark = pytest.mark.integration

PHONE: dict[str, Any] = {"width": 360, "height": 780, "has_touch": True}


FEW = [make_row(number) for number in range(20)]
"""axe looks at every cell of every table, some twenty minutes of them suffice."""


@pytest.mark.parametrize("site", [FEW], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(scheme: str, size: dict[str, Any], open_page: Open, site: Site) -> None:
    page = open_page(scheme=scheme, **size).page
    expect(page.locator("#state-words")).to_have_text("Live")
    expect(page.locator("[data-stage=raw] [data-lag]")).to_have_text("dedup is at the end")
    page.get_by_text("The same as a table").click()
    expect(page.locator("#table-rows tr")).not_to_have_count(0)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("site", [FEW], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_while_the_store_is_down(
    scheme: str, open_page: Open, site: Site
) -> None:
    site.is_store_down = True
    page = open_page(scheme=scheme).page
    expect(page.locator("#state-words")).to_have_text("Store down")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [360, 768, 1280, 3840])
def test_nothing_is_wider_than_the_window(width: int, open_page: Open) -> None:
    page = open_page(width=width, height=900).page
    expect(page.locator("#state-words")).to_have_text("Live")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_every_control(open_page: Open) -> None:
    page = open_page().page
    expect(page.locator("#state-words")).to_have_text("Live")
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(e => e.id || e.name || e.dataset.copy || e.getAttribute('href') || e.tagName)"
                "(document.activeElement)"
            )
        )
    for control in ("#newest", "theme", "hours", "scrub", "snippet-curl", "docs"):
        assert control in reached, reached


def test_arrow_keys_read_the_minutes_one_by_one(open_page: Open) -> None:
    page = open_page().page
    expect(page.locator("#cursor")).to_contain_text("03:01 UTC, provisional")
    page.locator("#scrub").focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#cursor")).to_contain_text("02:59 UTC, final, revision 60")
    count = make_row(179)["total_nb_trx_1min"]
    expect(page.locator("[data-chart=count] [data-read]")).to_have_text(str(count))
    expect(page.locator("#scrub")).to_have_attribute(
        "aria-valuetext", f"02:59, final, revision 60, {count} transactions"
    )
    page.keyboard.press("Escape")
    expect(page.locator("#cursor")).to_contain_text("03:01 UTC, provisional")


def test_a_chosen_theme_outlives_the_visit(open_page: Open) -> None:
    page = open_page(scheme="light").page
    button = page.locator("#theme")
    expect(button).to_have_text("Theme: auto")
    button.click()
    button.click()
    expect(button).to_have_text("Theme: dark")
    page.reload()
    expect(button).to_have_text("Theme: dark")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_nothing_moves_where_motion_is_unwanted(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce").page
    expect(page.locator("#state-words")).to_have_text("Live")
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => {"
        " const s = getComputedStyle(e);"
        " return s.transitionDuration !== '0s' || s.animationName !== 'none'; }).length"
    )
    assert moving == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_token_is_asked_for_sent_with_every_request_and_kept_for_the_tab(
    scheme: str, open_guarded: Open
) -> None:
    visit = open_guarded(scheme=scheme)
    page = visit.page
    expect(page.locator("#state-words")).to_have_text("Refused")
    expect(page.locator("#notice")).to_contain_text("The api demands a token")
    field = page.get_by_label("Token")
    expect(field).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    for token, words in (("wrong", "Refused"), ("a-token", "Live")):
        field.fill(token)
        field.press("Enter")
        expect(page.locator("#state-words")).to_have_text(words)
    expect(field).to_be_hidden()
    expect(page.locator("#minute")).to_have_text("00:19")
    page.reload()
    expect(page.locator("#state-words")).to_have_text("Live")
    assert all("a-token" not in address for address in visit.requests)
