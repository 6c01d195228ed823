"""The files of the live page, read once, compressed, and named by a hash of all of them.

The scripts import one another by relative names, so one hash names the whole set, as a folder: a
browser can keep its files for ever, and a new release has a new folder.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

PAGE = "index.html"

MEDIA_TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file as it is served."""

    body: bytes
    compressed: bytes
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """The page and the files it refers to.

    Attributes:
        version: A hash of all files, which changes with any of them.
        page: The HTML, with the addresses of this version.
        files: The other files by name.
    """

    version: str
    page: Asset
    files: Mapping[str, Asset]


def load() -> Assets:
    """Return the page of this package."""
    found = {
        file.name: file.read_bytes()
        for file in (resources.files(__package__) / "web").iterdir()
        if file.name.rpartition(".")[2] in MEDIA_TYPES
    }
    digest = hashlib.sha256()
    for name, body in sorted(found.items()):
        digest.update(f"{name} {len(body)}\n".encode() + body)
    version = digest.hexdigest()[:16]
    page = found.pop(PAGE).replace(b"{assets}", f"assets/{version}".encode())
    return Assets(
        version=version,
        page=_asset(PAGE, page),
        files={name: _asset(name, body) for name, body in found.items()},
    )


def _asset(name: str, body: bytes) -> Asset:
    return Asset(
        body=body,
        compressed=gzip.compress(body, mtime=0),
        media_type=MEDIA_TYPES[name.rpartition(".")[2]],
    )
