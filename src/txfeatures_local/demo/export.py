"""The final rows, read back from the online store over its own API."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import FEATURES, minute_name
from txfeatures.domain.model import MINUTE_S, FeatureValue, Row

if TYPE_CHECKING:
    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient

BATCH = 100
"""Most records of one BatchGetRecord (SageMaker Feature Store)."""

_TYPES: dict[str, type[FeatureValue]] = {"Integral": int, "Fractional": float, "String": str}


def read_rows(
    client: "SageMakerFeatureStoreRuntimeClient", group: str, *, first_s: float, last_s: float
) -> Iterator[Row]:
    """Yield the rows of the minutes from ``first_s`` to ``last_s``, in order.

    Raises:
        FatalError: The store left a record out, or a row is not final.
    """
    start, end = (int(s) // MINUTE_S * MINUTE_S for s in (first_s, last_s))
    names = [minute_name(minute) for minute in range(start, end + MINUTE_S, MINUTE_S)]
    for index in range(0, len(names), BATCH):
        yield from _read(client, group, names[index : index + BATCH])


def write_rows(path: Path, rows: Iterator[Row]) -> int:
    """Write one JSON object a line, feature names as keys; return how many."""
    lines = [msgspec.json.encode(row) + b"\n" for row in rows]
    path.write_bytes(b"".join(lines))
    return len(lines)


def _read(
    client: "SageMakerFeatureStoreRuntimeClient", group: str, names: list[str]
) -> Iterator[Row]:
    answer = client.batch_get_record(
        Identifiers=[{"FeatureGroupName": group, "RecordIdentifiersValueAsString": names}]
    )
    if answer["Errors"] or answer["UnprocessedIdentifiers"]:
        raise FatalError(f"the online store left records out: {answer['Errors']}; run it again")
    found = {item["RecordIdentifierValueAsString"]: item["Record"] for item in answer["Records"]}
    for name in names:
        if name in found:
            values = {item["FeatureName"]: item["ValueAsString"] for item in found[name]}
            row = {f.name: _TYPES[f.type](values[f.name]) for f in FEATURES if f.name in values}
            if row["is_final"] != 1:
                raise FatalError(f"the row of {name} is not final; this is a bug, please report it")
            yield row
