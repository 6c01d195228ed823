"""Reads of the online store."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.domain.features import minute_name
from txfeatures.feature_store.codec import Values, from_record
from txfeatures.feature_store.errors import Failure, StoreUnavailableError
from txfeatures.feature_store.retries import Retries

if TYPE_CHECKING:
    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient

BATCH = 100
"""Most record identifiers in one BatchGetRecord."""

UNPROCESSED = Failure(
    meaning="retry", code="unprocessed", message="records were left out of the answer"
)


class OnlineStore:
    """The online store of a feature group; safe to share between threads.

    Args:
        client: The client of the data plane.
        group: The name of the feature group.
        retries: How calls are repeated.
        on_outcome: Called with ``ok`` or an error code after each call, and with the code of
            each record that a call did not return.
    """

    def __init__(
        self,
        client: "SageMakerFeatureStoreRuntimeClient",
        group: str,
        *,
        retries: Retries,
        on_outcome: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._group = group
        self._retries = retries
        self._on_outcome = on_outcome

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def read(self, minutes: Iterable[int]) -> Iterator[tuple[str, Values]]:
        """Yield name and values of those of ``minutes`` (epoch seconds) that have a record.

        In any order. Failures that may pass are repeated first.

        Raises:
            StoreUnavailableError: The store is throttled, failing or out of reach.
            FatalError: It refuses the call, or the group does not exist.
        """
        names = map(minute_name, minutes)
        while batch := list(itertools.islice(names, BATCH)):
            yield from self._read_batch(batch)

    def _read_batch(self, names: list[str]) -> Iterator[tuple[str, Values]]:
        for attempt in itertools.count(1):
            found, names, failure = self._call(names)
            yield from found
            if failure is None:
                return
            if not failure.may_pass:
                raise failure.error(f"The feature group {self._group}")
            if not self._retries.pause(attempt, failure):
                raise StoreUnavailableError(
                    failure.code,
                    f"The online store {failure.state} ({failure.code}): "
                    f"{len(names)} records were not read; try again.",
                )

    def _call(self, names: list[str]) -> tuple[list[tuple[str, Values]], list[str], Failure | None]:
        """Call once; return records, the names that are left, and why they are."""
        try:
            answer = self._client.batch_get_record(
                Identifiers=[
                    {"FeatureGroupName": self._group, "RecordIdentifiersValueAsString": names}
                ]
            )
        except (ClientError, BotoCoreError) as error:
            failure = Failure.of(error)
            self._on_outcome(failure.code)
            return [], names, failure
        self._on_outcome("ok")
        found: list[tuple[str, Values]] = [
            (each["RecordIdentifierValueAsString"], from_record(each["Record"]))
            for each in answer["Records"]
        ]
        left = [
            name
            for unprocessed in answer["UnprocessedIdentifiers"]
            for name in unprocessed["RecordIdentifiersValueAsString"]
        ]
        failures = [UNPROCESSED] if left else []
        for refusal in answer["Errors"]:
            self._on_outcome(refusal["ErrorCode"])
            left.append(refusal["RecordIdentifierValueAsString"])
            failures.append(Failure.named(refusal["ErrorCode"], refusal["ErrorMessage"]))
        lasting = (failure for failure in failures if not failure.may_pass)
        return found, left, next(lasting, failures[-1] if failures else None)
