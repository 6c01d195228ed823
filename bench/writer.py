"""Cost of putting rows: a backlog of final rows through fs_writer into the local AWS.

The local AWS runs in the measuring process, on the same cores, so rows per second show *its*
speed. CPU per row is fs_writer's own.
"""

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

from featurestore_local import LocalAws

from bench.state import Measured, broker
from bench.worker import Worker
from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import EMPTY, default
from txfeatures.domain.model import MINUTE_S, OutgoingRecord, Row
from txfeatures.domain.topics import AGGREGATED
from txfeatures.feature_store.codec import to_values
from txfeatures.process.clock import Clock
from txfeatures_fs_writer.features_step import GROUP

WRITE_UNIT_BYTES = 1024
"""Size of a record that one write unit of Feature Store pays for (AWS documentation)."""

_FIRST_MINUTE_S = 1_729_334_940
_POLL_S = 0.05


def measure_writer(count: int, *, clock: Clock, say: Callable[[str], None]) -> list[Measured]:
    """Measure fs_writer with ``count`` final rows, two or more, of different minutes."""
    with broker(clock) as (cluster, directory), LocalAws(clock=clock) as aws:
        env = {
            "TXF_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
            "TXF_BOOTSTRAP_REPLICATION": "1",
            "AWS_ENDPOINT_URL": aws.endpoint_url,
            "AWS_DEFAULT_REGION": aws.region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_CONFIG_FILE": "/dev/null",  # keeps the user's account out of reach
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        made = subprocess.run(
            [sys.executable, "-m", "txfeatures", "bootstrap"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise FatalError(f"bootstrap: {made.stderr.strip()}")
        records = _records(count)
        cluster.fill(AGGREGATED, itertools.islice(records, 1))
        with Worker(
            cluster.bootstrap_servers, directory, clock, service="fs_writer", settings=env
        ) as worker:
            # After the first put the worker has joined its group and its clients are warm.
            while not (first := cluster.committed(GROUP, AGGREGATED)):
                clock.wait(threading.Event(), _POLL_S)
            started_s, cpu_s = clock.monotonic(), worker.cpu_s
            say(f"fs_writer: loading {count - first:,} rows")
            cluster.fill(AGGREGATED, records)
            end = cluster.end(AGGREGATED)
            while cluster.committed(GROUP, AGGREGATED) < end:
                clock.wait(threading.Event(), _POLL_S)
            rows = end - first
            taken_s, used_s = clock.monotonic() - started_s, worker.cpu_s - cpu_s
            worker.stop()
    size = max(sum(len(k) + len(v) for k, v in to_values(row).items()) for row in _rows(1))
    return [
        Measured(stage="fs_writer", what="rows put, online and offline", value=rows, unit="rows"),
        Measured(
            stage="fs_writer",
            what="speed with the local AWS on the same cores",
            value=rows / taken_s,
            unit="rows/s",
        ),
        Measured(stage="fs_writer", what="CPU per row", value=used_s / rows * 1e6, unit="us"),
        Measured(stage="fs_writer", what="size of a row", value=size, unit="bytes"),
        Measured(
            stage="fs_writer",
            what="write units of a million rows",
            value=1e6 * -(-size // WRITE_UNIT_BYTES),
            unit="units",
        ),
    ]


def _rows(count: int) -> Iterator[Row]:
    for number in range(count):
        minute_s = _FIRST_MINUTE_S + number * MINUTE_S
        yield default().row(
            EMPTY,
            minute_s=minute_s,
            event_time_ms=(minute_s + 2 * MINUTE_S) * 1000 + 123,
            revision=1,
            is_final=True,
            gaps=0,
        )


def _records(count: int) -> Iterator[OutgoingRecord]:
    for row in _rows(count):
        yield OutgoingRecord(
            topic=AGGREGATED,
            key=str(row["tx_minute"]).encode(),
            value=wire.encode_row(row),
            timestamp_ms=round(float(row["event_time"]) * 1000),
        )
