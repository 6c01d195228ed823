import re

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Open
from tests.browser.site import FIRST_S, STORE_DOWN, Site, make_row
from tests.support.declared import FEATURES

pytestmark = pytest.mark.integration


def test_it_shows_the_newest_minute_and_its_history(open_page: Open, site: Site) -> None:
    visit = open_page()
    page = visit.page
    expect(page.locator("#state-words")).to_have_text("Live")
    expect(page.locator("#minute")).to_have_text("03:01")
    newest = make_row(181, revision=30, is_final=False)
    expect(page.locator("#count")).to_have_text(str(newest["total_nb_trx_1min"]))
    expect(page.locator("#kind")).to_have_attribute("data-kind", "provisional")
    expect(page.locator("#kind-words")).to_have_text("provisional, revision 30")
    expect(page.locator("#events")).to_have_attribute(
        "aria-label", "Minutes with gaps: 1; with late transactions: 1; without row: 5"
    )
    expect(page.locator("#events .mark-gap")).to_have_count(1)
    expect(page.locator("#events .mark-late")).to_have_count(1)
    expect(page.locator("[data-chart=count] .absent")).to_have_count(1)
    assert visit.errors == []
    assert {httpx.URL(url).netloc for url in visit.requests} == {httpx.URL(site.url).netloc}


def test_rows_of_the_stream_change_it(open_page: Open, site: Site) -> None:
    page = open_page().page
    expect(page.locator("#kind-words")).to_have_text("provisional, revision 30")
    site.put(make_row(181, revision=31, is_final=False, count=1_234))
    expect(page.locator("#count")).to_have_text("1,234")
    expect(page.locator("#features tr").nth(1).locator("td").first).to_have_text("1,234")
    site.put(make_row(180), make_row(181))
    expect(page.locator("#kind")).to_have_attribute("data-kind", "final")
    expect(page.locator("#announced")).to_contain_text("Minute 03:01 is final")


def test_an_older_revision_changes_nothing(open_page: Open, site: Site) -> None:
    page = open_page().page
    expect(page.locator("#kind-words")).to_have_text("provisional, revision 30")
    site.put(make_row(181, revision=29, is_final=False, count=1))
    site.put(make_row(180, revision=31, is_final=False, count=777))
    page.get_by_text("The same as a table").click()
    expect(page.locator("#table-rows tr").nth(1)).to_contain_text("777")
    expect(page.locator("#kind-words")).to_have_text("provisional, revision 30")


def test_a_restart_of_the_api_loses_no_row(open_page: Open, site: Site) -> None:
    visit = open_page()
    page = visit.page
    expect(page.locator("#state-words")).to_have_text("Live")
    site.stop()
    expect(page.locator("#state-words")).to_have_text("Reconnecting")
    expect(page.locator("#notice")).to_contain_text("the rows shown are the last known")
    missed = [make_row(number, count=500 + number) for number in range(181, 185)]
    site.put(*missed)
    site.start()
    expect(page.locator("#minute")).to_have_text("03:04")
    expect(page.locator("#state-words")).to_have_text("Live")
    expect(page.locator("#notice")).to_be_hidden()
    page.get_by_text("The same as a table").click()
    for line, row in enumerate(reversed(missed)):
        expect(page.locator("#table-rows tr").nth(line)).to_contain_text(
            str(row["total_nb_trx_1min"])
        )
    # A browser reports each refused connection itself; the page adds no error of its own.
    assert all("net::ERR" in error for error in visit.errors)


@pytest.mark.parametrize("file", ["page.js", "chart.js"])
def test_a_file_of_another_release_is_loaded_again(file: str, open_page: Open, site: Site) -> None:
    page = open_page(address="about:blank").page
    refusals = [404]

    def refuse(route: Route) -> None:
        if refusals:
            route.fulfill(status=refusals.pop())
        else:
            route.continue_()

    page.route(f"**/assets/*/{file}", refuse)
    page.goto(site.url)
    expect(page.locator("#state-words")).to_have_text("Loading again")
    expect(page.locator("#state-words")).to_have_text("Live")


@pytest.mark.parametrize("site", [()], indirect=True)
def test_without_a_row_it_waits_for_the_first(open_page: Open, site: Site) -> None:
    page = open_page().page
    expect(page.locator("#state-words")).to_have_text("Waiting for the first minute")
    site.put(make_row(0, revision=1, is_final=False))
    expect(page.locator("#minute")).to_have_text("00:00")
    expect(page.locator("#state-words")).to_have_text("Live")


def test_a_store_that_is_down_is_said_in_the_apis_words(open_page: Open, site: Site) -> None:
    site.is_store_down = True
    page = open_page().page
    expect(page.locator("#state-words")).to_have_text("Store down")
    expect(page.locator("#notice")).to_contain_text(STORE_DOWN)
    site.is_store_down = False
    expect(page.locator("#state-words")).to_have_text("Live")
    expect(page.locator("#minute")).to_have_text("03:01")


def test_old_rows_under_a_clock_that_goes_on_are_stale(open_page: Open, site: Site) -> None:
    page = open_page().page
    expect(page.locator("#state-words")).to_have_text("Live")
    site.beat(FIRST_S + 181 * 60 + 30 + 600)
    expect(page.locator("#state-words")).to_have_text("Stale")
    expect(page.locator("#age")).to_have_text(re.compile(r"10 min \d+ s"))


def test_more_hours_are_loaded_in_pages(open_page: Open, site: Site) -> None:
    visit = open_page()
    page = visit.page
    site.put(*(make_row(number) for number in range(-1260, 0)))
    page.get_by_text("24 h").click()
    expect(page.locator("[data-chart=count] svg")).to_have_attribute(
        "aria-label", re.compile("24 h, 1435 minutes")
    )
    assert any("cursor=" in url for url in visit.requests)
    assert visit.errors == []


def test_the_flow_shows_each_stage_and_the_lag_of_its_reader(open_page: Open) -> None:
    page = open_page().page
    expect(page.locator("[data-stage=raw] [data-lag]")).to_have_text("dedup is at the end")
    lag = page.locator("[data-stage=deduped] [data-lag]")
    expect(lag).to_have_text("aggregator is 31 behind")
    expect(lag).to_have_attribute("data-behind", "true")
    expect(page.locator("[data-stage=stores] [data-lag]")).to_contain_text("old")


def test_every_declared_feature_is_listed_with_its_value(open_page: Open) -> None:
    page = open_page().page
    expect(page.locator("#features tr")).to_have_count(len(FEATURES))
    expect(page.locator("#features tr").first).to_contain_text("2031-01-01 03:01:00")


def test_the_snippets_name_this_address(open_page: Open, site: Site) -> None:
    page = open_page().page
    expect(page.locator("#snippet-curl")).to_contain_text(f"{site.url}/v1/features/latest")
    program = page.locator("#snippet-python").text_content()
    assert program is not None
    compile(program, "snippet", "exec")
