"""The cache of Kafka's jars, filled once per machine and version of Kafka.

A jar enters the cache by a rename, and only after its SHA-256 has matched the lock, so that the
cache never holds half a jar and any number of processes may fill it at the same time.
"""

import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from jgo.maven import MavenContext

from kafka_local.errors import LocalKafkaError
from kafka_local.lock import KAFKA_VERSION, LockedJar, read_lock

PARALLEL_DOWNLOADS = 4
_ATTEMPTS = 3
_TIMEOUT_S = 20

log = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """Return this user's cache directory, as is customary on the operating system."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "kafka-local" / f"kafka-{KAFKA_VERSION}"


def maven(directory: Path, repository_url: str | None = None) -> MavenContext:
    """Return a downloader that writes below ``directory`` and nowhere else.

    Args:
        directory: Laid out as a Maven repository; made if missing.
        repository_url: A mirror to use in place of Maven Central.
    """
    remotes = None if repository_url is None else {"mirror": repository_url}
    return MavenContext(repo_cache=directory, remote_repos=remotes, timeout=_TIMEOUT_S)


def ensure_jars(
    cache_dir: Path | None = None,
    *,
    jars: Sequence[LockedJar] | None = None,
    repository_url: str | None = None,
) -> tuple[Path, ...]:
    """Return the paths of the jars, downloading those that the cache lacks or has damaged.

    With a complete cache no network is used.

    Args:
        cache_dir: The directory that keeps the jars; None for `default_cache_dir`.
        jars: The jars to return; None for those of the committed lock.
        repository_url: A mirror to use in place of Maven Central.

    Returns:
        One path per jar, in the order of ``jars``.

    Raises:
        LocalKafkaError: A jar can't be downloaded or stored, or has another digest than the lock.
    """
    cache_dir = cache_dir or default_cache_dir()
    jars = read_lock() if jars is None else jars
    missing = [jar for jar in jars if not jar.matches(cache_dir / jar.filename)]
    if missing:
        log.info("downloading %d jars of Kafka into %s", len(missing), cache_dir)
        try:
            _download(missing, cache_dir, repository_url)
        except OSError as error:
            raise LocalKafkaError(
                f"Kafka's jars can't be stored in {cache_dir} ({error.strerror or error});"
                " make that directory writable, or choose another."
            ) from error
        log.info("downloaded %d jars of Kafka", len(missing))
    return tuple(cache_dir / jar.filename for jar in jars)


def _download(jars: Sequence[LockedJar], cache_dir: Path, repository_url: str | None) -> None:
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".download-", dir=cache_dir) as staging,
        ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool,
    ):
        context = maven(Path(staging), repository_url)
        fetched = [pool.submit(_fetch, jar, context, cache_dir) for jar in jars]
        try:
            for future in fetched:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # the first failure is reported at once
            raise


def _fetch(jar: LockedJar, context: MavenContext, cache_dir: Path) -> None:
    downloaded = _download_one(jar, context, cache_dir)
    if not jar.matches(downloaded):
        raise LocalKafkaError(
            f"{jar.coordinate} was downloaded with other bytes than jars.lock expects;"
            " look for a proxy or mirror that alters downloads and start again."
        )
    downloaded.replace(cache_dir / jar.filename)


def _download_one(jar: LockedJar, context: MavenContext, cache_dir: Path) -> Path:
    artifact = context.create_dependency(jar.coordinate).artifact
    failure: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            return artifact.resolve()
        except (requests.RequestException, RuntimeError) as error:  # RuntimeError: not a 200
            failure = error
            if artifact.cached_path is not None:  # jgo refuses to write over half a download
                artifact.cached_path.unlink(missing_ok=True)
    raise LocalKafkaError(
        f"{jar.coordinate} can't be downloaded ({type(failure).__name__}); connect this machine"
        f" to Maven Central, or copy {cache_dir} from one that has it filled."
    ) from failure
