"""Links lead somewhere, and the names in every Markdown file of the repository exist."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import READERS
from docs.generate import pages as reference_pages
from txfeatures.cli.group import subcommands
from txfeatures.domain import topics
from txfeatures.process.metrics import DEFINITIONS
from txfeatures.process.settings import SERVICES, environment_names

REPOSITORY = Path(__file__).resolve().parents[3]
LONGEST = 250
GENERATED = {"build", "dist", "node_modules"}
REFERENCE = {Path("docs", "reference", name) for name in reference_pages()}


def markdown() -> Iterator[Path]:
    """Yield every Markdown file of the repository, relative to it."""
    for folder, folders, files in os.walk(REPOSITORY):
        folders[:] = sorted(
            name
            for name in folders
            if name == ".github" or not (name.startswith(".") or name in GENERATED)
        )
        for name in sorted(files):
            if name.endswith(".md"):
                yield (Path(folder) / name).relative_to(REPOSITORY)


PAGES = list(markdown())
TOPIC_NAMES = {topic.name for topic in topics.TOPICS}

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")

pages = pytest.mark.parametrize("page", PAGES, ids=str)


def text(page: Path) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def code(page: Path) -> Iterator[str]:
    """Yield what is written as code: each span, and each line of a fenced block."""
    whole = text(page)
    for block in _FENCE.findall(whole):
        yield from block.splitlines()[1:-1]
    yield from _SPAN.findall(_FENCE.sub("", whole))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = _HEADING.findall(_FENCE.sub("", (REPOSITORY / page).read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def exists(name: str, known: set[str]) -> bool:
    """Whether ``name`` is known, or with its ``_`` at the end the beginning of one that is."""
    return name in known or (name.endswith("_") and any(k.startswith(name) for k in known))


def unknown(page: Path, pattern: str, known: set[str]) -> list[str]:
    return [name for name in re.findall(pattern, text(page)) if not exists(name, known)]


def invented(page: Path, pattern: str, known: set[str]) -> list[str]:
    found = [match for line in code(page) for match in re.findall(pattern, line)]
    return [name for name in found if name not in known]


def broken(page: Path) -> Iterator[str]:
    """Yield the relative links of ``page`` that lead to no file or heading."""
    for target in _LINK.findall(_SPAN.sub("code", _FENCE.sub("", text(page)))):
        if re.match(r"[a-z]+:", target):
            continue  # elsewhere: tests stay off the network
        path, _, anchor = target.partition("#")
        linked = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            yield target


def test_every_kind_of_page_is_read() -> None:
    names = {path.as_posix() for path in PAGES}
    assert names >= {
        "README.md",
        "CHANGELOG.md",
        ".github/PULL_REQUEST_TEMPLATE.md",
        "deploy/helm/README.md",
        "docs/adr/README.md",
        "packages/featurestore-local/CONTRACT.md",
        "services/poller/README.md",
    }


@pages
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


@pytest.mark.parametrize("target", ["gone.md", "#gone", "page.md#gone", "../page.md"])
def test_a_broken_link_is_found(tmp_path: Path, target: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A title\n\n[a](#a-title) [b](page.md#a-title) [c](.)\n[d]({target})\n")
    assert list(broken(page)) == [target]


@pages
def test_paths_exist(page: Path) -> None:
    tops = "bench|deploy|docs|examples|notebooks|packages|services|src|tests"
    paths = [path for line in code(page) for path in re.findall(rf"^((?:{tops})/[\w./-]+)$", line)]
    roots = (REPOSITORY, (REPOSITORY / page).parent)
    assert [path for path in paths if not any((root / path).exists() for root in roots)] == []


@pages
def test_no_page_is_long(page: Path) -> None:
    if page not in REFERENCE:  # which is looked up, not read
        assert len(text(page).splitlines()) <= LONGEST


@pages
def test_settings_exist(page: Path) -> None:
    known = {name for cls in READERS.values() for name in environment_names(cls)}
    assert unknown(page, r"\bTXF_[A-Z0-9_]*", known) == []


@pages
def test_metrics_exist(page: Path) -> None:
    known = {metric.name for metric in DEFINITIONS}
    assert unknown(page, r"\btxf_[a-z0-9_]*", known) == []


@pages
def test_topics_exist(page: Path) -> None:
    assert invented(page, r"^([a-z-]+(?:\.dlq|-changelog))$", TOPIC_NAMES) == []
    said = re.findall(r"\b[Tt]opics? `([^`]+)`|`([^`]+)` topic", text(page))
    names = {name for pair in said for name in pair if name}
    prefixes = {name for name in names if name.endswith("*")}
    assert names - prefixes <= TOPIC_NAMES
    assert all(any(t.startswith(prefix[:-1]) for t in TOPIC_NAMES) for prefix in prefixes)


@pages
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(Path("Makefile")), re.MULTILINE))
    assert invented(page, r"^make ([a-z-]+)", targets) == []


@pages
def test_subcommands_exist(page: Path) -> None:
    names = set(subcommands())
    assert invented(page, r"(?:^|/)txfeatures ([a-z]\w*)", names) == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_contract_that_names_its_topics(service: str) -> None:
    folder = REPOSITORY / "services" / service
    source = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*/*.py"))
    names = {
        topics.dead_letter_topic(getattr(topics, constant))
        if is_dead_letter
        else getattr(topics, constant)
        for is_dead_letter, constant in re.findall(
            r"(dead_letter_topic\()?\b(RAW|DEDUPED|PARTIALS|AGGREGATED|FEED|LATE)\b", source
        )
    }
    assert names, f"{service} uses no topic"
    contract = text(Path("services") / service / "README.md")
    assert [name for name in sorted(names) if f"`{name}`" not in contract] == []
