"""The online store: the rows of many minutes by BatchGetRecord."""

import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import EVENT_TIME, FEATURES, minute_name
from txfeatures.domain.model import FeatureValue
from txfeatures.process.clock import Clock
from txfeatures.process.runtime import backoff_s

if TYPE_CHECKING:
    import threading

    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient
    from types_boto3_sagemaker_featurestore_runtime.type_defs import BatchGetRecordResponseTypeDef

BATCH = 100
"""Most records of one BatchGetRecord (SageMaker Feature Store)."""

ATTEMPTS = 6

_TYPES: dict[str, type[FeatureValue]] = {"Integral": int, "Fractional": float, "String": str}

StoredRow = dict[str, FeatureValue]
"""Feature name -> value; features that the store has not are left out."""


class OnlineStore:
    """The online store of a feature group.

    Args:
        client: Of the data plane.
        group: Name of the feature group.
        clock: Paces what has to be asked again.
        stop: Set to give up waiting.
    """

    def __init__(
        self,
        client: "SageMakerFeatureStoreRuntimeClient",
        group: str,
        *,
        clock: Clock,
        stop: "threading.Event",
    ) -> None:
        self._client = client
        self._group = group
        self._clock = clock
        self._stop = stop

    def rows(self, minutes: Iterable[int]) -> Iterator[tuple[int, StoredRow]]:
        """Yield the minutes (epoch seconds) that have a row, with it, in no order.

        Raises:
            TransientError: The store does not answer, or leaves records out again and again.
            FatalError: It refuses.
        """
        iterator = iter(minutes)
        while batch := list(itertools.islice(iterator, BATCH)):
            names = {minute_name(minute_s): minute_s for minute_s in batch}
            for name, row in self._batch(list(names)):
                yield names[name], row

    def _batch(self, names: list[str]) -> Iterator[tuple[str, StoredRow]]:
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._ask(names)
            for item in answer["Records"]:
                values = {v["FeatureName"]: v.get("ValueAsString", "") for v in item["Record"]}
                yield item["RecordIdentifierValueAsString"], _typed(values)
            names = [
                name
                for left in answer["UnprocessedIdentifiers"]
                for name in left["RecordIdentifiersValueAsString"]
            ]
            if errors := answer["Errors"]:
                raise TransientError(
                    f"the online store left records out: {errors[0]}; run it again"
                )
            if not names:
                return
            self._clock.wait(self._stop, backoff_s(attempt))
        raise TransientError(f"the online store left {len(names)} records out; run it again later")

    def _ask(self, names: list[str]) -> "BatchGetRecordResponseTypeDef":
        try:
            return self._client.batch_get_record(
                Identifiers=[
                    {"FeatureGroupName": self._group, "RecordIdentifiersValueAsString": names}
                ]
            )
        except ClientError as error:
            raise FatalError(f"the online store refused: {error}") from error
        except BotoCoreError as error:
            raise TransientError(f"the online store does not answer: {error}") from error


def _typed(values: dict[str, str]) -> StoredRow:
    return {
        feature.name: _read(feature.name, _TYPES[feature.type], values[feature.name])
        for feature in FEATURES
        if feature.name in values
    }


def _read(name: str, kind: type[FeatureValue], text: str) -> FeatureValue:
    try:
        if name == EVENT_TIME and text.endswith("Z"):  # of a group in Iceberg's format
            return datetime.fromisoformat(text).timestamp()
        return kind(text)
    except ValueError:
        return text  # a corrupted one, for whoever compares
