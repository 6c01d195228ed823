"""Questions about the pipeline, answered from inside of the cluster: ``python - rows``.

Runs in a pod of the image with the command, to which the tests copy `txfeatures_local`.
"""

import io
import json
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

sys.path.insert(0, "/tmp")  # where the tests have put it

import boto3
import httpx
import pyarrow.parquet as pq
from botocore.config import Config
from confluent_kafka.admin import AdminClient

from txfeatures.clock import SystemClock
from txfeatures.kafka import connection
from txfeatures.settings import AwsSettings, KafkaSettings, load
from txfeatures.topics import TOPICS
from txfeatures_local.demo.drained import Drain, read_status
from txfeatures_local.demo.export import read_rows
from txfeatures_local.source.endpoint import Status

SOURCE = "http://source:8000/_local/status"
DRAIN_TIMEOUT_S = 240.0


def status() -> Status:
    """Ask the source how far it has been shown."""
    with httpx.Client(timeout=10.0) as client:
        return read_status(SOURCE, client)


def shown() -> int:
    """Return how many transactions the source has shown; -1 when it has shown all."""
    found = status()
    return -1 if found.exhausted else found.transactions


def drain() -> bool:
    """Wait until everything has arrived; return whether it has."""
    clock = SystemClock()
    deadline = clock.monotonic() + DRAIN_TIMEOUT_S
    with closing(Drain(load(KafkaSettings), status=status, pollers=1)) as drained:
        while not drained.is_done() and clock.monotonic() < deadline:
            clock.wait(threading.Event(), 0.2)
        return drained.is_done()


def rows() -> dict[str, tuple[int, int]]:
    """Return minute -> (transactions, sum of fees) of the online store's final rows."""
    found = status()
    store = boto3.client("sagemaker-featurestore-runtime")
    final = read_rows(
        store,
        AwsSettings().feature_group,
        first_s=(found.first_arrival_at or 0) - 24 * 3600,
        last_s=max(found.newest_time or 0, found.last_arrival_at or 0),
    )
    return {
        str(row["tx_minute"]): (int(row["total_nb_trx_1min"]), int(row["total_fee_1min"]))
        for row in final
    }


def bucket_client() -> Any:
    """Return a client of S3 that looks for no host of the bucket's name."""
    return boto3.client("s3", config=Config(s3={"addressing_style": "path"}))


def archive() -> dict[str, int]:
    """Return hash -> how often it is in the archive."""
    s3, bucket = bucket_client(), AwsSettings().bucket
    hashes: dict[str, int] = {}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="archive/deduped/")
    for page in pages:
        for item in page.get("Contents", []):
            body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            for name in pq.read_table(io.BytesIO(body), columns=["hash"])["hash"].to_pylist():
                hashes[name] = hashes.get(name, 0) + 1
    return hashes


def leftovers() -> dict[str, Any]:
    """Return what is there of topics, bucket and feature group."""
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
    "leftovers": leftovers,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(QUESTIONS[sys.argv[1]]()) + "\n")
