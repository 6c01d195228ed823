import io
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from featurestore_local.changes import Change, ChangeClock, Changes, Journal
from featurestore_local.clock import ManualClock
from featurestore_local.errors import LocalStoreError

PUT = Change(at_s=1.5, environ={"REQUEST_METHOD": "PUT", "RAW_URI": "/b/k"}, body=b"\x00content")
DELETE = Change(at_s=2.5, environ={"REQUEST_METHOD": "DELETE", "RAW_URI": "/b/k"}, body=b"")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


def written(path: Path, *changes: Change) -> bytes:
    with closing(Journal(path)) as journal:
        for change in changes:
            journal.append(change)
    return path.read_bytes()


def environ(change: Change) -> dict[str, Any]:
    return {**change.environ, "wsgi.input": io.BytesIO(change.body), "wsgi.version": (1, 0)}


def test_a_journal_is_read_as_it_was_written_and_goes_on(path: Path) -> None:
    written(path, PUT)
    with closing(Journal(path)) as journal:
        assert [*journal.read()] == [PUT]
        journal.append(DELETE)
        assert [*journal.read()] == [PUT, DELETE]


def test_what_a_kill_cut_short_is_removed_wherever_it_was_cut(path: Path) -> None:
    whole = written(path, PUT)
    both = written(path, DELETE)
    for end in range(len(whole), len(both)):
        path.write_bytes(both[:end])
        with closing(Journal(path)) as journal:
            assert [*journal.read()] == [PUT]
            journal.append(DELETE)
            assert [*journal.read()] == [PUT, DELETE]


def test_another_file_is_refused_with_what_to_do(path: Path, journal: Journal) -> None:
    path.write_bytes(struct.pack(">I", 5) + b"hello")
    with pytest.raises(LocalStoreError, match="remove it to start with nothing stored"):
        [*journal.read()]


def test_a_journal_in_use_is_refused(path: Path, journal: Journal) -> None:
    with pytest.raises(LocalStoreError, match="Another local AWS keeps its journal"):
        Journal(path)


def test_a_folder_that_is_not_there_is_said_so(path: Path) -> None:
    with pytest.raises(LocalStoreError, match="No such file or directory"):
        Journal(path / "journal")


def test_a_change_is_kept_with_the_one_time_that_it_has(journal: Journal) -> None:
    time = ManualClock(now=1.5)
    clock = ChangeClock(time)
    with Changes(clock, journal).change(environ(PUT)):
        time.advance(10.0)
        assert clock.now() == 1.5
    assert clock.now() == 11.5
    assert [*journal.read()] == [PUT]


def test_a_change_that_was_refused_is_not_kept(journal: Journal) -> None:
    clock = ChangeClock(ManualClock())
    changes = Changes(clock, journal)
    with pytest.raises(ValueError, match="no"), changes.change(environ(PUT)):
        raise ValueError("no")
    assert [*journal.read()] == []
    with changes.change(environ(DELETE)):
        pass
    assert len([*journal.read()]) == 1


def test_changes_are_repeated_each_at_its_time_and_not_kept_twice(journal: Journal) -> None:
    journal.append(PUT)
    journal.append(DELETE)
    clock = ChangeClock(ManualClock(now=99.0))
    changes = Changes(clock, journal)
    made: list[Change] = []

    def make(strings: dict[str, str], body: bytes) -> None:
        with changes.change({**strings, "wsgi.input": io.BytesIO(body)}):
            made.append(Change(at_s=clock.now(), environ=strings, body=body))

    assert changes.repeat(make) == 2
    assert made == [PUT, DELETE]
    assert [*journal.read()] == [PUT, DELETE]
    assert clock.now() == 99.0


def test_without_a_journal_there_is_nothing_to_repeat() -> None:
    changes = Changes(ChangeClock(ManualClock()))
    with changes.change(environ(PUT)):
        pass
    assert changes.repeat(lambda *_: None) == 0
