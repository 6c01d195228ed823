import gzip
import re

import pytest

from txfeatures_api.page import assets

LOADED = assets.load()
SCRIPTS = sorted(name for name in LOADED.files if name.endswith(".js"))


def text(name: str) -> str:
    return LOADED.files[name].body.decode()


def test_the_page_refers_to_files_of_its_own_version_only() -> None:
    page = LOADED.page.body.decode()
    referred = re.findall(r'(?:src|href)="(assets/[^"]+)"', page)
    assert referred
    assert {each.rpartition("/")[0] for each in referred} == {f"assets/{LOADED.version}"}
    assert {each.rpartition("/")[2] for each in referred} <= LOADED.files.keys()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_files_of_the_set_alone(name: str) -> None:
    for imported in re.findall(r'from "([^"]+)"', text(name)):
        assert imported.removeprefix("./") in LOADED.files


def test_every_script_is_used() -> None:
    imported = {
        each for name in SCRIPTS for each in re.findall(r'from "\./([^"]+)"', text(name))
    } | set(re.findall(r'src="assets/[^/]+/([^"]+)"', LOADED.page.body.decode()))
    assert set(SCRIPTS) == imported


def test_nothing_is_inline_and_nothing_is_on_another_host() -> None:
    page = LOADED.page.body.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)
    for name in LOADED.files:
        urls = re.findall(r"https?://[^\s\"'`)]+", text(name))
        assert set(urls) <= {"http://www.w3.org/2000/svg"}, name


def test_the_whole_page_weighs_less_than_50_kb_compressed() -> None:
    everything = [LOADED.page, *LOADED.files.values()]
    assert sum(len(each.compressed) for each in everything) < 50_000


def test_a_file_is_the_same_compressed() -> None:
    for each in LOADED.files.values():
        assert gzip.decompress(each.compressed) == each.body


def test_a_version_is_the_same_for_the_same_files() -> None:
    assert assets.load().version == LOADED.version
