"""Queries of the pipeline from inside the cluster: ``python - rows``.

It runs in a pod of the image with the command, to which the tests copy `txfeatures_local`.
"""

import hashlib
import io
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

sys.path.insert(0, "/tmp")  # to which the tests copy it

import boto3
import httpx
import pyarrow.parquet as pq
from botocore.config import Config
from confluent_kafka.admin import AdminClient

from tests.support.declared import FEATURES
from txfeatures.archive.bucket import S3Bucket
from txfeatures.archive.layout import PREFIX
from txfeatures.archive.reading import live_objects
from txfeatures.domain.topics import TOPICS
from txfeatures.kafka.client import connection
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import AwsSettings, KafkaSettings, load
from txfeatures_local.demo.drained import Drain, read_status
from txfeatures_local.demo.export import read_rows
from txfeatures_local.source.endpoint import Status

SOURCE = "http://source:8000/_local/status"
API = "http://txfeatures-api/features"
DRAIN_TIMEOUT_S = 480.0


def status() -> Status:
    """Return the progress of the source in its recording."""
    with httpx.Client(timeout=10.0) as client:
        return read_status(SOURCE, client)


def shown() -> int:
    """Return the number of transactions that the source has shown; -1 after the last."""
    found = status()
    return -1 if found.exhausted else found.transactions


def drain() -> bool:
    """Wait until the replay is drained; return whether it is."""
    clock = SystemClock()
    deadline = clock.monotonic() + DRAIN_TIMEOUT_S
    with closing(Drain(load(KafkaSettings), status=status, pollers=1)) as drained:
        while not drained.is_done() and clock.monotonic() < deadline:
            clock.wait(threading.Event(), 0.2)
        return drained.is_done()


def rows() -> dict[str, tuple[int, int]]:
    """Return minute -> (transactions, sum of fees) of the final rows in the online store."""
    found = status()
    store = boto3.client("sagemaker-featurestore-runtime")
    final = read_rows(
        store,
        AwsSettings().feature_group,
        first_s=(found.first_arrival_at or 0) - 24 * 3600,
        last_s=max(found.newest_time or 0, found.last_arrival_at or 0),
        features=FEATURES,
    )
    return {str(row["tx_minute"]): totals(row) for row in final}


def bucket_client() -> Any:
    """Return a client of S3 that addresses buckets by path, not by host name."""
    return boto3.client("s3", config=Config(s3={"addressing_style": "path"}))


def archive() -> dict[str, Any]:
    """Return the contents of the archive: hashes and a digest of its rows, and its objects."""
    bucket = S3Bucket(bucket_client(), AwsSettings().bucket)
    live = [name.key for name in live_objects(bucket)]
    tables = [pq.read_table(io.BytesIO(bucket.get(key).body)) for key in live]
    rows = [row for table in tables for row in table.to_pylist()]
    rows.sort(key=lambda row: (row["topic_partition"], row["topic_offset"]))
    return {
        "hashes": Counter(row["hash"] for row in rows),
        "digest": hashlib.sha256(repr(rows).encode()).hexdigest(),
        "live": live,
        "stored": [listed.key for listed in bucket.list(PREFIX)],
    }


def served() -> dict[str, tuple[int, int]]:
    """Return the minutes of ``rows`` in the same form, read from the api."""
    minutes = sorted(rows())
    query: dict[str, str | int] = {"from": minutes[0], "to": minutes[-1], "limit": 1000}
    with httpx.Client(timeout=10.0) as client:
        answer = client.get(API, params=query).raise_for_status().json()
    return {row["tx_minute"]: totals(row) for row in answer["rows"]}


def totals(row: Mapping[str, Any]) -> tuple[int, int]:
    """Return the number of transactions and the sum of fees of a row."""
    return int(row["total_nb_trx_1min"]), int(row["total_fee_1min"])


def leftovers() -> dict[str, Any]:
    """Return the existing topics, bucket and feature group."""
    aws = AwsSettings()
    there = AdminClient(connection(load(KafkaSettings))).list_topics(timeout=10).topics
    group = boto3.client("sagemaker").describe_feature_group(FeatureGroupName=aws.feature_group)
    return {
        "topics": sorted(topic.name for topic in TOPICS if topic.name in there),
        "objects": bucket_client().list_objects_v2(Bucket=aws.bucket)["KeyCount"],
        "feature_group": group["FeatureGroupStatus"],
    }


QUESTIONS: Mapping[str, Callable[[], Any]] = {
    "shown": shown,
    "drain": drain,
    "rows": rows,
    "archive": archive,
    "served": served,
    "leftovers": leftovers,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(QUESTIONS[sys.argv[1]]()) + "\n")
