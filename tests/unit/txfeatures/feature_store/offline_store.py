"""An offline store in memory, filled row by row as Feature Store lays it out."""

import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.declared import EMPTY, FEATURES, row
from tests.unit.txfeatures.archive.memory_bucket import Held, MemoryBucket
from txfeatures.feature_store.offline import OfflineStore

PREFIX = "feature-store/1/sagemaker/r/offline-store/g-1/data/"


def stored(minute_s: int, known_s: float, *, revision: int = 1, **values: Any) -> dict[str, Any]:
    """Return a row as the store keeps it."""
    made = row(
        EMPTY,
        minute_s=minute_s,
        event_time_ms=round(known_s * 1000),
        revision=revision,
        is_final=True,
        gaps=0,
    )
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    system = {"write_time": moment, "api_invocation_time": moment, "is_deleted": False}
    return {**made, **system, **values}


def glue_key(known_s: float, name: str) -> str:
    return f"{PREFIX}{datetime.fromtimestamp(known_s, UTC):year=%Y/month=%m/day=%d/hour=%H}/{name}"


class Offline:
    """A store and its bucket."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        self.store = OfflineStore(bucket=self.bucket, prefix=PREFIX, features=FEATURES)

    def put(self, *rows: dict[str, Any], key: str | None = None) -> str:
        """Store one object that holds ``rows``."""
        body = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(rows)), body)
        name = f"{len(self.bucket.objects):04d}.parquet"
        key = key or glue_key(float(rows[0]["event_time"]), name)
        self.bucket.objects[key] = Held(body=body.getvalue(), modified_s=0.0)
        return key
