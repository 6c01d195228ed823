"""The online store: rows of minutes by BatchGetRecord."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Self

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name
    ConnectTimeoutError,
    HTTPClientError,
    ReadTimeoutError,
)

from txfeatures.domain.errors import FatalError, InvalidMessageError, TransientError
from txfeatures.domain.features import minute_name
from txfeatures.domain.model import Row
from txfeatures.process import aws
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings
from txfeatures_api import logic

if TYPE_CHECKING:
    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient
    from types_boto3_sagemaker_featurestore_runtime.type_defs import (
        BatchGetRecordResultDetailTypeDef,
    )

BATCH = 100
"""Most record identifiers in one BatchGetRecord."""

CONNECTIONS = 16
"""Most reads at the same time."""

ATTEMPTS = 3
FIRST_PAUSE_S = 0.05
"""Short, since somebody waits for the answer; who needs more patience has Retry-After."""

LASTING_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccessForbidden",
        "InvalidSignatureException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationError",
        "ValidationException",
    }
)
"""Refusals that the same call will meet again: a wrong name, or a missing permission."""

log = get_logger(__name__)


class FeatureStoreReader:
    """Reads rows of one feature group; safe to share between threads."""

    def __init__(
        self,
        client: "SageMakerFeatureStoreRuntimeClient",
        *,
        feature_group: str,
        runtime: Runtime,
    ) -> None:
        self._client = client
        self._feature_group = feature_group
        self._runtime = runtime

    @classmethod
    def connect(cls, settings: AwsSettings, *, runtime: Runtime) -> Self:
        """Return a reader of the feature group that the settings name.

        Raises:
            SettingsError: AWS is not configured.
        """
        client = aws.feature_store(settings, connections=CONNECTIONS)
        return cls(client, feature_group=settings.feature_group, runtime=runtime)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def read(self, minutes: Sequence[int]) -> list[Row]:
        """Return the rows of those of ``minutes`` that have one, in any order.

        A record that can't be read is counted, logged and passed over.

        Raises:
            TransientError: The store is throttled, failing or out of reach.
            FatalError: It refuses for good.
        """
        names = [minute_name(minute_s) for minute_s in minutes]
        return [
            row
            for start in range(0, len(names), BATCH)
            for row in self._read_batch(names[start : start + BATCH])
        ]

    def _read_batch(self, names: list[str]) -> list[Row]:
        rows: list[Row] = []
        for attempt in range(ATTEMPTS):
            if attempt:
                self._runtime.clock.wait(self._runtime.stop, FIRST_PAUSE_S * 2**attempt)
            found, names, why = self._try(names)
            rows += found
            if not names:
                return rows
        raise TransientError(
            f"The online store has not answered for {len(names)} minutes ({why}); try again."
        )

    def _try(self, names: list[str]) -> tuple[list[Row], list[str], str]:
        """Call once; return rows, the names that are still to be read, and why they are."""
        try:
            answer = self._client.batch_get_record(
                Identifiers=[
                    {
                        "FeatureGroupName": self._feature_group,
                        "RecordIdentifiersValueAsString": names,
                    }
                ]
            )
        except ClientError as error:
            self._refused(error.response["Error"]["Code"], error.response["Error"]["Message"])
            return [], names, error.response["Error"]["Code"]
        except (ConnectTimeoutError, ReadTimeoutError) as error:
            # Not tried again here: whoever asked has waited a whole timeout already.
            self._count(type(error).__name__)
            raise TransientError("The online store has not answered in time; try again.") from error
        except (ConnectionError, HTTPClientError) as error:
            self._count(type(error).__name__)
            return [], names, type(error).__name__
        except BotoCoreError as error:
            self._count(type(error).__name__)
            raise _no_access(error) from error
        self._count("ok")
        for refusal in answer["Errors"]:
            self._refused(refusal["ErrorCode"], refusal["ErrorMessage"])
        left = [refusal["RecordIdentifierValueAsString"] for refusal in answer["Errors"]]
        for unprocessed in answer["UnprocessedIdentifiers"]:
            left += unprocessed["RecordIdentifiersValueAsString"]
        why = answer["Errors"][0]["ErrorCode"] if answer["Errors"] else "unprocessed"
        return self._rows(answer["Records"]), left, why

    def _rows(self, records: "Iterable[BatchGetRecordResultDetailTypeDef]") -> list[Row]:
        rows = []
        for record in records:
            values = {
                value["FeatureName"]: value["ValueAsString"]
                for value in record["Record"]
                if "ValueAsString" in value
            }
            try:
                rows.append(logic.to_row(values))
            except InvalidMessageError as error:
                self._runtime.metrics.count("unreadable_records_total", reason=error.reason)
                name = record["RecordIdentifierValueAsString"]
                log.warning("record_unreadable", minute=name, error=str(error))
        return rows

    def _refused(self, code: str, message: str) -> None:
        """Count a refusal; raise FatalError if it is one for good."""
        self._count(code)
        if code in LASTING_CODES:
            raise FatalError(
                f"The feature group {self._feature_group} can't be read ({code}: {message}); run "
                "`txfeatures bootstrap`, and check TXF_AWS_FEATURE_GROUP and the permissions."
            )

    def _count(self, outcome: str) -> None:
        self._runtime.metrics.count("store_reads_total", outcome=outcome)


def _no_access(error: Exception) -> FatalError:
    return FatalError(
        f"AWS can't be called ({error}); set AWS_DEFAULT_REGION and credentials, "
        "and check AWS_ENDPOINT_URL if it is set"
    )
