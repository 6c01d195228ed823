"""The command, killed where it hurts, with readers that poll all the time."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest
from featurestore_local import LocalAws

from tests.support.local_account import Controls, entered, make_bucket
from tests.unit.txfeatures.archive.parts import store
from txfeatures.archive.bucket import S3Bucket
from txfeatures.archive.catalog import DATABASE, TABLE, ensure_archive_table
from txfeatures.archive.layout import PREFIX, Shelf
from txfeatures.archive.reading import fetch, live_objects, relation
from txfeatures.compaction.lease import KEY as LEASE
from txfeatures.domain.errors import TransientError
from txfeatures.process import aws
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import AwsSettings

pytestmark = pytest.mark.integration

AWS = AwsSettings(timeout_s=60)
COMMAND = (
    "import typer\n"
    "from txfeatures.cli.compact import compact\n"
    "app = typer.Typer(pretty_exceptions_enable=False)\n"
    "app.command()(compact)\n"
    "app()\n"
)
WITHIN_S = 60.0

HOURS = [Shelf(date="2024-10-19", hour=f"{hour:02d}", partition=0) for hour in range(10, 16)]
PARTS, ROWS_EACH = 3, 5
ROWS = [(0, number) for number in range(len(HOURS) * PARTS * ROWS_EACH)]

# A run is killed while it waits for S3 to answer one of these; all else that S3 is asked to
# change comes from no one, so that the readers' own calls are never taken for the command's.
KILLS = [
    ("s3:PUT", 0),  # is about to take the lease
    ("s3:PUT", 1),  # has read the parts and is about to store the large object
    ("s3:PUT", 2),  # has stored it and is about to make it live
    ("s3:POST", 0),  # has made it live and is about to delete the parts
    ("s3:PUT", 3),  # has deleted them and is about to give the lease back
]


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws() as local, entered(local) as environ:
        environ.setenv("TXF_AWS_TIMEOUT_S", "60")
        environ.setenv("TMPDIR", str(tmp_path_factory.mktemp("of-the-killed")))
        make_bucket(AWS)
        ensure_archive_table(aws.glue(AWS), AWS.bucket)
        yield local


@pytest.fixture
def bucket(local_aws: LocalAws) -> S3Bucket:
    bucket = S3Bucket(aws.s3(AWS), AWS.bucket)
    bucket.delete([listed.key for listed in bucket.list("archive/")])
    offset = 0
    for shelf in HOURS:
        for _ in range(PARTS):
            store(bucket, range(offset, offset + ROWS_EACH), shelf=shelf)
            offset += ROWS_EACH
    return bucket


def start(*options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--only", "archive", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*options: str) -> tuple[int, str]:
    with start(*options) as process:
        said, complained = process.communicate(timeout=WITHIN_S)
    return process.returncode, said + complained


def hour(shelf: Shelf) -> tuple[str, ...]:
    return (
        *("--start", f"{shelf.date}T{shelf.hour}:00"),
        *("--end", f"{shelf.date}T{shelf.hour}:59"),
    )


def kill_at(local: LocalAws, operation: str, after: int, *options: str) -> None:
    """Start the command and end it while S3 lets it wait for an answer."""
    controls = Controls(local.endpoint_url)
    controls.forget()
    hang = {"operation": operation, "error": "hang", "after": after, "hang_s": WITHIN_S}
    controls.order(hang)
    clock = SystemClock()
    deadline = clock.monotonic() + WITHIN_S
    with start(*options) as process:
        while controls.calls(operation) <= after:
            assert process.poll() is None, process.communicate()
            assert clock.monotonic() < deadline
            clock.wait(threading.Event(), 0.02)
        process.kill()
        process.communicate()
    controls.forget()


@dataclass(slots=True)
class Reader:
    """Reads all rows again and again; what it saw is judged when it is stopped."""

    read: Callable[[], list[tuple[int, int]]]
    reads: int = 0
    told_to_repeat: int = 0
    wrong: list[Counter[tuple[int, int]]] = field(default_factory=list)
    failure: Exception | None = None

    def loop(self, stop: threading.Event) -> None:
        expected = Counter(ROWS)
        while not SystemClock().wait(stop, 0.05):
            try:
                found = Counter(self.read())
            except TransientError:  # its objects were deleted, as no grace was given
                self.told_to_repeat += 1
                continue
            except Exception as error:  # noqa: BLE001 - shown by the test
                self.failure = error
                return
            self.reads += 1
            if found != expected:
                self.wrong.append(found)


@contextmanager
def polling(*reads: Callable[[], list[tuple[int, int]]]) -> Iterator[list[Reader]]:
    stop = threading.Event()
    readers = [Reader(read) for read in reads]
    threads = [threading.Thread(target=reader.loop, args=(stop,)) for reader in readers]
    for thread in threads:
        thread.start()
    try:
        yield readers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def by_duckdb(directory: Path) -> Callable[[], list[tuple[int, int]]]:
    bucket = S3Bucket(aws.s3(AWS), AWS.bucket)

    def read() -> list[tuple[int, int]]:
        with duckdb.connect() as connection:
            rows = relation(connection, fetch(bucket, live_objects(bucket), directory))
            return rows.project("topic_partition, topic_offset").fetchall()

    return read


def by_athena() -> list[tuple[int, int]]:
    client = aws.athena(AWS)
    sql = f"SELECT topic_partition, topic_offset FROM {TABLE} WHERE date = '2024-10-19'"
    query = client.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": DATABASE},
        ResultConfiguration={"OutputLocation": f"s3://{AWS.bucket}/athena/"},
    )["QueryExecutionId"]
    clock = SystemClock()
    while True:
        status = client.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            break
        if status["State"] == "FAILED":
            reason = status["StateChangeReason"]
            assert "HIVE_CANNOT_OPEN_SPLIT" in reason, reason
            raise TransientError(reason)
        clock.wait(threading.Event(), 0.02)
    pages = client.get_paginator("get_query_results").paginate(QueryExecutionId=query)
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]][1:]
    return [(int(one["VarCharValue"]), int(two["VarCharValue"])) for one, two in rows]


def test_killed_at_each_step_readers_see_the_same_rows_and_the_next_run_finishes(
    local_aws: LocalAws, bucket: S3Bucket, tmp_path: Path
) -> None:
    duck = by_duckdb(tmp_path / "cache")
    assert sorted(duck()) == sorted(by_athena()) == ROWS
    with polling(duck, by_athena) as readers:
        for shelf, (operation, after) in zip(HOURS, KILLS, strict=False):
            kill_at(local_aws, operation, after, *hour(shelf), "--grace-s", "0")
            bucket.delete([LEASE])  # as if the minutes had passed after which it lapses
        assert run("--grace-s", "0")[0] == 0
        code, said = run("--grace-s", "0")
    for reader in readers:
        assert reader.failure is None
        assert reader.wrong == []
        assert reader.reads > 3
    assert (code, said.splitlines()[0]) == (
        0,
        "archive: 0 objects (0.0 MiB) made into 0; 0 dead ones deleted, 0 kept for their readers",
    )
    assert len(list(bucket.list(PREFIX))) == len(HOURS)
    assert sorted(duck()) == sorted(by_athena()) == ROWS


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(
    local_aws: LocalAws, bucket: S3Bucket
) -> None:
    before = list(bucket.list(""))
    code, said = run("--dry-run")
    assert code == 0
    assert "archive: 18 objects" in said
    assert "would be made into 6" in said
    assert list(bucket.list("")) == before


def test_a_compaction_that_runs_already_ends_the_second_with_a_sentence(
    local_aws: LocalAws, bucket: S3Bucket
) -> None:
    kill_at(local_aws, "s3:PUT", 1)
    code, said = run()
    assert code == 1
    assert "compacts this archive; if it is dead, try again after" in said


def test_an_hour_that_can_not_be_compacted_is_named_and_the_others_are_done(
    local_aws: LocalAws, bucket: S3Bucket
) -> None:
    spoilt = live_objects(bucket)[0]
    bucket.put(spoilt.key, b"PAR1 not any more", content_type="text/plain")
    code, said = run()
    assert code == 1
    assert "1 of 6 shelves were left as they are" in said
    assert len(live_objects(bucket)) == PARTS + len(HOURS) - 1
