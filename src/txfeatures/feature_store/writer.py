"""Writes to both stores of a feature group."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.domain.errors import FatalError, InvalidMessageError
from txfeatures.domain.features import RECORD_IDENTIFIER
from txfeatures.feature_store.codec import Target, Values, from_record, to_record
from txfeatures.feature_store.errors import Failure, StoreUnavailableError
from txfeatures.feature_store.retries import Retries

if TYPE_CHECKING:
    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient
    from types_boto3_sagemaker_featurestore_runtime.type_defs import (
        BatchWriteRecordEntryOutputTypeDef,
    )

UNPROCESSED = Failure(
    meaning="retry", code="UnprocessedEntries", message="Feature Store left rows undone"
)

Outcome = InvalidMessageError | StoreUnavailableError | None
"""None: the stores have the record. The errors: they refuse it, or may take it later."""


class Write(Protocol):
    """A record and the stores that it goes to."""

    @property
    def values(self) -> Values:
        """Values by feature name."""
        ...

    @property
    def targets(self) -> Sequence[Target]:
        """Stores."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineWrite:
    """A record for the offline store alone."""

    values: Values
    targets: Sequence[Target] = ("OfflineStore",)


class FeatureGroupWriter:
    """Both stores of a feature group, written by PutRecord and BatchWriteRecord.

    A repeated write changes nothing online, where only a greater event time replaces a record;
    offline it adds an equal row, which readers fold by record and event time.

    Args:
        client: The client of the data plane; the writer is as safe to share as it is.
        group: The name of the feature group.
    """

    def __init__(self, client: "SageMakerFeatureStoreRuntimeClient", group: str) -> None:
        self._client = client
        self._group = group

    def put(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Write up to 25 records of different minutes with one call; return their outcomes."""
        return [None if f is None else _outcome(f) for f in self._write(writes)]

    def put_all(self, writes: Sequence[Write], retries: Retries) -> None:
        """Write up to 25 records of different minutes, repeating those that fail for now.

        Raises:
            StoreUnavailableError: The stores went on failing, or the program was stopped.
            FatalError: They refuse a record or the call.
        """
        for attempt in itertools.count(1):
            failures = [
                (write, failure)
                for write, failure in zip(writes, self._write(writes), strict=True)
                if failure is not None
            ]
            if not failures:
                return
            for write, failure in failures:
                if failure.meaning == "invalid":
                    raise FatalError(
                        f"Feature Store refused the record {write.values[RECORD_IDENTIFIER]}: "
                        f"{failure.message}; compare the feature group with `txfeatures features`"
                    )
                if not failure.may_pass:
                    raise failure.error("Feature Store")
            writes = [write for write, _ in failures]
            failure = failures[-1][1]
            if not retries.pause(attempt, failure):
                raise failure.error("Feature Store")

    def _write(self, writes: Sequence[Write]) -> Sequence[Failure | None]:
        if len(writes) == 1:
            return [self._write_one(writes[0])]
        try:
            answer = self._client.batch_write_record(
                Entries=[
                    {
                        "FeatureGroupName": self._group,
                        "Record": to_record(write.values),
                        "TargetStores": list(write.targets),
                    }
                    for write in writes
                ]
            )
        except (ClientError, BotoCoreError) as error:
            failure = Failure.of(error)
            if failure.meaning == "invalid":
                # One record can spoil the call for all: alone, the others are taken.
                return [self._write_one(write) for write in writes]
            return [failure] * len(writes)
        failures = {_minute(entry): UNPROCESSED for entry in answer["UnprocessedEntries"]} | {
            _minute(refusal["Entry"]): Failure.named(refusal["ErrorCode"], refusal["ErrorMessage"])
            for refusal in answer["Errors"]
        }
        return [failures.get(write.values[RECORD_IDENTIFIER]) for write in writes]

    def _write_one(self, write: Write) -> Failure | None:
        try:
            self._client.put_record(
                FeatureGroupName=self._group,
                Record=to_record(write.values),
                TargetStores=list(write.targets),
            )
        except (ClientError, BotoCoreError) as error:
            return Failure.of(error)
        return None


def _minute(entry: "BatchWriteRecordEntryOutputTypeDef") -> str:
    return from_record(entry["Record"])[RECORD_IDENTIFIER]


def _outcome(failure: Failure) -> InvalidMessageError | StoreUnavailableError:
    if failure.meaning == "invalid":
        return InvalidMessageError("store_refused", failure.message)
    detail = f"Feature Store: {failure.code}: {failure.message}"
    if failure.code.startswith("Access"):
        detail += "; rows need sagemaker:PutRecord and sagemaker:BatchWriteRecord"
    return StoreUnavailableError(failure.code, detail)
