import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from txfeatures.domain.errors import FatalError
from txfeatures.domain.model import OutgoingRecord
from txfeatures_poller.spool import Spool, SpooledBatch, SpoolError

FIRST = OutgoingRecord(
    topic="raw", key=b"k", value=b"\x00\xff", timestamp_ms=5, headers=[("a", b"\xff")], partition=3
)
SECOND = OutgoingRecord(topic="feed", key=None, value=None, timestamp_ms=6, headers=[])
THIRD = OutgoingRecord(topic="raw", key=b"", value=b"", timestamp_ms=7, headers=[])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "poller-0.sqlite"


def drained(spool: Spool) -> list[list[OutgoingRecord]]:
    batches = []
    while (batch := spool.first()) is not None:
        batches.append(list(batch.records))
        spool.keep(batch, [])
    return batches


def test_batches_come_out_whole_and_in_order(path: Path) -> None:
    with Spool(path) as spool:
        spool.append([FIRST, SECOND])
        spool.append([THIRD])
        assert drained(spool) == [[FIRST, SECOND], [THIRD]]


def test_the_first_batch_stays_until_it_is_settled(path: Path) -> None:
    with Spool(path) as spool:
        spool.append([FIRST])
        assert spool.first() == spool.first() == SpooledBatch(number=1, records=[FIRST])


def test_what_is_kept_of_a_batch_stays_in_its_place(path: Path) -> None:
    with Spool(path) as spool:
        spool.append([FIRST, SECOND])
        spool.append([THIRD])
        batch = spool.first()
        assert batch is not None
        spool.keep(batch, [SECOND])
        assert drained(spool) == [[SECOND], [THIRD]]


def test_the_size_is_that_of_what_waits(path: Path) -> None:
    with Spool(path) as spool:
        assert spool.size_bytes == 0
        spool.append([FIRST, SECOND])
        both = spool.size_bytes
        batch = spool.first()
        assert batch is not None
        spool.keep(batch, [SECOND])
        assert 0 < spool.size_bytes < both
        drained(spool)
        assert spool.size_bytes == 0


def test_another_process_finds_what_was_left(path: Path) -> None:
    with Spool(path) as spool:
        spool.append([FIRST])
        spool.append([SECOND])
        size_bytes = spool.size_bytes
    with Spool(path) as spool:
        assert spool.size_bytes == size_bytes
        assert drained(spool) == [[FIRST], [SECOND]]


def test_what_was_appended_outlives_a_killed_process(path: Path) -> None:
    program = """
import os, pathlib, signal, sys
from txfeatures_poller.spool import Spool
from txfeatures.domain.model import OutgoingRecord
spool = Spool(pathlib.Path(sys.argv[1]))
for number in range(100):
    spool.append([OutgoingRecord(topic="raw", key=b"k", value=b"v" * 9000, timestamp_ms=number)])
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program, os.fspath(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with Spool(path) as spool:
        assert [batch[0].timestamp_ms for batch in drained(spool)] == list(range(100))


def test_the_file_gives_its_room_back(path: Path) -> None:
    with Spool(path) as spool:
        spool.append([OutgoingRecord(topic="raw", key=b"k", value=b"v" * 10**7, timestamp_ms=1)])
        drained(spool)
    assert path.stat().st_size < 10**6


def test_a_second_user_of_the_file_is_refused_and_told_what_to_do(path: Path) -> None:
    with Spool(path), pytest.raises(FatalError, match=r"locked.*TXF_POLLER_NAME"):
        Spool(path)


def test_a_file_that_is_no_spool_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to be one" * 100)
    with pytest.raises(FatalError, match="move a broken file away"):
        Spool(path)


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FatalError, match="make its directory writable"):
        Spool(tmp_path / "file" / "poller-0.sqlite")


def test_a_batch_that_no_poller_wrote_is_refused(path: Path) -> None:
    with Spool(path):
        pass
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO batches (records) VALUES (x'c1')")
    database.close()
    with Spool(path) as spool, pytest.raises(FatalError, match="move the file away"):
        spool.first()


def test_a_disk_that_fails_is_told_from_an_empty_spool(path: Path) -> None:
    spool = Spool(path)
    spool.append([FIRST])
    spool.__exit__(None, None, None)
    with pytest.raises(SpoolError, match="failed"):
        spool.append([SECOND])
