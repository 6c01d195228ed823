import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from docs import site

CONFIG = str(site.REPOSITORY / "mkdocs.yml")
PAGES = frozenset({"index.md", "adr/README.md", "reference/topics.md", "repository/README.md"})
LOADED = re.compile(r"""<(?:script|img|iframe)\b[^>]*\bsrc=["']?((?:https?:)?//[^"' >]+)""")
STYLE = re.compile(
    r"""<link\b[^>]*\brel=["']?(?:stylesheet|pre\w+)\b[^>]*href=["']?((?:https?:)?//[^"' >]+)"""
)


@pytest.mark.parametrize(
    ("page", "link", "rewritten"),
    [
        ("adr/README.md", "[t](../reference/topics.md#a)", "[t](../reference/topics.md#a)"),
        ("repository/README.md", "[t](docs/reference/topics.md)", "[t](../reference/topics.md)"),
        ("repository/README.md", "[all](docs/adr/)", "[all](../adr/README.md)"),
        ("index.md", "[read](../README.md#run-it)", "[read](repository/README.md#run-it)"),
        ("index.md", "[make](../Makefile)", "make"),
        ("index.md", "[gone](../gone.md)", "[gone](../gone.md)"),
        ("index.md", "[web](https://example.org/a)", "[web](https://example.org/a)"),
        ("index.md", "[here](#there)", "[here](#there)"),
        ("index.md", "`[code](../Makefile)`", "`[code](../Makefile)`"),
        ("index.md", "[`code`](../README.md)", "[`code`](repository/README.md)"),
        ("index.md", "```\n[make](../Makefile)\n```", "```\n[make](../Makefile)\n```"),
    ],
)
def test_a_link_leads_to_the_page_of_the_site(page: str, link: str, rewritten: str) -> None:
    assert site.site_links(link, page=page, pages=PAGES) == rewritten


def test_the_site_loads_nothing_from_other_hosts(tmp_path: Path) -> None:
    build(load_config(CONFIG, site_dir=str(tmp_path)))
    pages = {path: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")}
    assert len(pages) > 50
    found = [(str(p), x) for p, t in pages.items() for x in LOADED.findall(t) + STYLE.findall(t)]
    assert found == []


def build_one_page(text: str, folder: Path) -> None:
    (folder / "docs").mkdir()
    (folder / "docs" / "index.md").write_text(f"# Title\n\n{text}\n")
    docs_dir, site_dir = str(folder / "docs"), str(folder / "site")
    build(load_config(CONFIG, docs_dir=docs_dir, site_dir=site_dir, nav=[], hooks=[]))


@pytest.mark.parametrize("link", ["gone.md", "../gone/README.md", "index.md#gone", "#gone"])
def test_a_broken_link_ends_the_build(tmp_path: Path, link: str) -> None:
    with pytest.raises(Abort, match="strict"):
        build_one_page(f"[link]({link})", tmp_path)


def test_a_good_link_does_not(tmp_path: Path) -> None:
    build_one_page("[link](index.md#title)", tmp_path)
    assert (tmp_path / "site" / "index.html").is_file()
