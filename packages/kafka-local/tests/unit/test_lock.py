import re
from pathlib import Path

import pytest

from kafka_local.errors import LocalKafkaError
from kafka_local.lock import (
    KAFKA_VERSION,
    LOCK_FILE,
    LockedJar,
    format_lock,
    read_lock,
)


def test_the_committed_lock_holds_the_broker_of_the_pinned_version() -> None:
    assert f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}" in {jar.coordinate for jar in read_lock()}


def test_every_kafka_jar_in_the_committed_lock_is_of_one_version() -> None:
    kafka = [jar for jar in read_lock() if jar.coordinate.startswith("org.apache.kafka:")]
    assert len(kafka) > 10
    assert {jar.coordinate.split(":")[2] for jar in kafka} == {KAFKA_VERSION}


def test_the_logging_binding_in_the_committed_lock_fits_log4j() -> None:
    log4j = [jar for jar in read_lock() if jar.coordinate.startswith("org.apache.logging.log4j:")]
    assert len(log4j) == 3
    assert len({jar.coordinate.split(":")[2] for jar in log4j}) == 1


def test_the_committed_lock_has_a_full_digest_and_a_file_name_of_its_own_for_each_jar() -> None:
    jars = read_lock()
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert len({jar.filename for jar in jars}) == len(jars)


def test_the_committed_lock_is_as_the_relock_command_writes_it() -> None:
    assert format_lock(read_lock()) == LOCK_FILE.read_text(encoding="utf-8")


def test_a_lock_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    jars = (
        LockedJar(coordinate="a.b:c:1", sha256="0" * 64),
        LockedJar(coordinate="a.b:d:2", sha256="f" * 64),
    )
    lock = tmp_path / "jars.lock"
    lock.write_text(format_lock(jars), encoding="utf-8")
    assert read_lock(lock) == jars


@pytest.mark.parametrize("line", ["a:b:1", "a:b sha256:00", "a:b:1 md5:00", "<<<<<<< HEAD"])
def test_a_line_that_names_no_jar_is_refused(tmp_path: Path, line: str) -> None:
    lock = tmp_path / "jars.lock"
    lock.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(LocalKafkaError, match="restore the file"):
        read_lock(lock)
