"""The jars that Kafka consists of: a committed list of coordinates and their SHA-256."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kafka_local.errors import LocalKafkaError

KAFKA_VERSION = "4.1.2"
LOCK_FILE = Path(__file__).with_name("jars.lock")

_HEADER = """\
# The jars of Apache Kafka and its logging binding, as Maven Central has them.
# Written by `python -m kafka_local.relock`; do not edit.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedJar:
    """A jar that the broker needs.

    Attributes:
        coordinate: Its Maven coordinate, ``group:artifact:version``.
        sha256: The digest of its bytes, in lower-case hexadecimal.
    """

    coordinate: str
    sha256: str

    @property
    def filename(self) -> str:
        """The jar's name in the cache, unique within one lock."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    def matches(self, path: Path) -> bool:
        """Return whether ``path`` is a file with this jar's bytes."""
        return path.is_file() and sha256_of(path) == self.sha256


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lock(path: Path = LOCK_FILE) -> tuple[LockedJar, ...]:
    """Return the jars listed in a lock, in its order: the broker's class path.

    Raises:
        LocalKafkaError: A line is not ``group:artifact:version sha256:digest``.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(_parse(line, path) for line in lines if line and not line.startswith("#"))


def _parse(line: str, path: Path) -> LockedJar:
    match line.split():
        case [coordinate, digest] if coordinate.count(":") == 2 and digest.startswith("sha256:"):
            return LockedJar(coordinate=coordinate, sha256=digest.removeprefix("sha256:"))
        case _:
            raise LocalKafkaError(
                f"{path} has a line that names no jar ({line!r});"
                " restore the file from version control."
            )


def format_lock(jars: Iterable[LockedJar]) -> str:
    """Return the text of a lock that `read_lock` reads back."""
    return _HEADER + "".join(f"{jar.coordinate} sha256:{jar.sha256}\n" for jar in jars)
