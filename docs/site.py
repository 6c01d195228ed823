"""MkDocs hooks: the site also holds the Markdown that lives beside the code.

A page of the repository, such as a service's README, is published under ``repository/``. Links are
relative in every source, as a reader of the repository follows them. Here they are rewritten to
the page of the site; a link to a file that has no page becomes plain text, and a broken one stays
for MkDocs to refuse.
"""

import posixpath
import re
from pathlib import Path
from urllib.parse import urlsplit

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[1]
ROOT = "repository/"
DOCS = "docs/"
OUTSIDE = (
    "*.md",
    "bench/*.md",
    "deploy/**/*.md",
    "notebooks/*.md",
    "packages/*/*.md",
    "clients/*/*.md",
)
SERVICES = "services/*/README.md"

_PARTS = re.compile(r"(^```.*?^```$|`[^`\n]+`(?!\]))|\[([^\]]*)\]\(([^)\s]+)\)", re.M | re.S)


def sources() -> dict[str, str]:
    """Return page of the site -> path in the repository, for the Markdown outside of docs/."""
    found = (path for pattern in (*OUTSIDE, SERVICES) for path in REPOSITORY.glob(pattern))
    names = sorted({path.relative_to(REPOSITORY).as_posix() for path in found})
    return {f"{ROOT}{name}": name for name in names}


def site_links(text: str, *, page: str, pages: frozenset[str]) -> str:
    """Rewrite the relative links of a page for the site.

    Args:
        text: The page's Markdown.
        page: Its name in the site.
        pages: Names of all pages of the site.
    """
    source = page.removeprefix(ROOT) if page.startswith(ROOT) else f"{DOCS}{page}"

    def rewritten(found: re.Match[str]) -> str:
        code, label, target = found.groups()
        if code or urlsplit(target).scheme or target.startswith("#"):
            return found.group()
        path, _, anchor = target.partition("#")
        name = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        for candidate in _candidates(name):
            if candidate in pages:
                relative = posixpath.relpath(candidate, posixpath.dirname(page) or ".")
                return f"[{label}]({relative}{'#' + anchor if anchor else ''})"
        return str(label) if (REPOSITORY / name).exists() else found.group()

    return _PARTS.sub(rewritten, text)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository."""
    for page, source in sources().items():
        text = (REPOSITORY / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of one page."""
    del config
    pages = frozenset(file.src_uri for file in files)  # pictures as well
    return site_links(markdown, page=page.file.src_uri, pages=pages)


def _candidates(name: str) -> list[str]:
    if name.startswith(DOCS):
        return [name.removeprefix(DOCS), f"{name.removeprefix(DOCS)}/README.md"]
    return [f"{ROOT}{name}", f"{ROOT}{name}/README.md"]
