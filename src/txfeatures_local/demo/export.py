"""The final rows, read back from the online store over its own API."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import Feature, minute_name
from txfeatures.domain.model import MINUTE_S, Row
from txfeatures.feature_store.codec import to_row
from txfeatures.feature_store.online import OnlineStore
from txfeatures.feature_store.retries import Retries

if TYPE_CHECKING:
    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient


def read_rows(
    client: "SageMakerFeatureStoreRuntimeClient",
    group: str,
    *,
    features: Sequence[Feature],
    first_s: float,
    last_s: float,
) -> Iterator[Row]:
    """Yield the rows of the minutes from ``first_s`` to ``last_s``, in order.

    Raises:
        StoreUnavailableError: The store does not answer.
        FatalError: It refuses, or a row is not final.
    """
    start, end = (int(s) // MINUTE_S * MINUTE_S for s in (first_s, last_s))
    minutes = range(start, end + MINUTE_S, MINUTE_S)
    found = dict(OnlineStore(client, group, retries=Retries()).read(minutes))
    for name in filter(found.__contains__, map(minute_name, minutes)):
        row = to_row(found[name], features)
        if row["is_final"] != 1:
            raise FatalError(f"the row of {name} is not final; this is a bug, please report it")
        yield row


def write_rows(path: Path, rows: Iterator[Row]) -> int:
    """Write one JSON object a line, feature names as keys; return how many."""
    lines = [msgspec.json.encode(row) + b"\n" for row in rows]
    path.write_bytes(b"".join(lines))
    return len(lines)
