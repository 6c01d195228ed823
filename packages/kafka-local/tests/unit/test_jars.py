import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kafka_local.errors import LocalKafkaError
from kafka_local.jars import default_cache_dir, ensure_jars
from kafka_local.lock import KAFKA_VERSION, LockedJar

# jgo leaves the answer to a failed download to the garbage collector, socket and all.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _garbage_stays_within_its_test() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "home" / "cache"


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_an_empty_cache_is_filled_in_the_order_of_the_lock(repository: Any, cache: Path) -> None:
    jars = [repository.put(f"org.example:part:{n}", b"bytes %d" % n) for n in range(6)]
    paths = ensure_jars(cache, jars=jars, repository_url=repository.url)
    assert [path.read_bytes() for path in paths] == [b"bytes %d" % n for n in range(6)]
    assert names(cache) == {jar.filename for jar in jars}


def test_a_full_cache_asks_nothing_of_the_network(repository: Any, cache: Path) -> None:
    jars = [repository.put("org.example:part:1", b"bytes")]
    first = ensure_jars(cache, jars=jars, repository_url=repository.url)
    repository.asked.clear()
    assert ensure_jars(cache, jars=jars, repository_url=repository.url) == first
    assert repository.asked == []


def test_only_a_damaged_jar_is_downloaded_again(repository: Any, cache: Path) -> None:
    jars = [repository.put(f"org.example:part:{n}", b"bytes %d" % n) for n in range(2)]
    paths = ensure_jars(cache, jars=jars, repository_url=repository.url)
    paths[1].write_bytes(b"byt")
    repository.asked.clear()
    ensure_jars(cache, jars=jars, repository_url=repository.url)
    assert paths[1].read_bytes() == b"bytes 1"
    assert {path for path in repository.asked if path.endswith(".jar")} == {
        "/org/example/part/1/part-1.jar"
    }


def test_a_jar_with_other_bytes_than_the_lock_expects_is_refused_and_not_kept(
    repository: Any, cache: Path
) -> None:
    good = repository.put("org.example:part:1", b"bytes")
    altered = replace(repository.put("org.example:part:2", b"altered"), sha256="0" * 64)
    with pytest.raises(
        LocalKafkaError, match=r"org\.example:part:2 was downloaded with other bytes"
    ):
        ensure_jars(cache, jars=[good, altered], repository_url=repository.url)
    assert altered.filename not in names(cache)
    assert not any(name.startswith(".download-") for name in names(cache))


def test_a_jar_that_the_repository_lacks_is_named(repository: Any, cache: Path) -> None:
    jar = LockedJar(coordinate="org.example:absent:1", sha256="0" * 64)
    with pytest.raises(LocalKafkaError, match=r"org\.example:absent:1 can't be downloaded"):
        ensure_jars(cache, jars=[jar], repository_url=repository.url)
    assert names(cache) == set()


def test_an_unreachable_repository_ends_in_a_sentence_that_says_what_to_do(cache: Path) -> None:
    jar = LockedJar(coordinate="org.example:part:1", sha256="0" * 64)
    with pytest.raises(LocalKafkaError, match="connect this machine to Maven Central, or copy"):
        ensure_jars(cache, jars=[jar], repository_url="http://127.0.0.1:1")


def test_a_cache_directory_that_cannot_be_made_is_named(repository: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    jar = repository.put("org.example:part:1", b"bytes")
    with pytest.raises(LocalKafkaError, match=r"can't be stored in .*file/cache"):
        ensure_jars(tmp_path / "file" / "cache", jars=[jar], repository_url=repository.url)


def test_one_cache_may_be_filled_from_several_sides_at_once(repository: Any, cache: Path) -> None:
    jars = [repository.put(f"org.example:part:{n}", b"bytes" * 10_000) for n in range(5)]
    with ThreadPoolExecutor(3) as pool:
        sides = [
            pool.submit(ensure_jars, cache, jars=jars, repository_url=repository.url)
            for _ in range(3)
        ]
        results = [side.result() for side in sides]
    assert results[0] == results[1] == results[2]
    assert names(cache) == {jar.filename for jar in jars}
    assert all(jar.matches(cache / jar.filename) for jar in jars)


def test_the_default_cache_is_the_users_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache_dir() == tmp_path / ".cache" / "kafka-local" / f"kafka-{KAFKA_VERSION}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_dir() == tmp_path / "xdg" / "kafka-local" / f"kafka-{KAFKA_VERSION}"
    monkeypatch.setattr("sys.platform", "darwin")
    assert default_cache_dir().is_relative_to(tmp_path / "Library" / "Caches")
