"""Feature Store and S3: the adapters that know AWS and its errors."""

from collections.abc import Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from services.fs_writer.logic import Target
from services.fs_writer.ports import StoreUnavailableError
from txfeatures import aws
from txfeatures.errors import FatalError, InvalidMessageError
from txfeatures.settings import AwsSettings

REFUSED_FOR_GOOD = frozenset({"ValidationError", "ValidationException"})
"""Modelled is ValidationError; ValidationException is what some calls have answered."""

UNKNOWN_GROUP = "Resource Not Found"
"""Start of a ValidationError that passes: it is said of a group that has just been made."""


class FeatureGroupStore:
    """Both stores of the feature group, as PutRecord reaches them.

    A repeated put changes nothing online, where only a greater event time replaces a
    record; offline it adds an equal row, which readers fold by record and event time.

    Args:
        connections: Threads that will put at the same time.

    Raises:
        SettingsError: There is no region or no usable AWS configuration.
    """

    def __init__(self, settings: AwsSettings, *, connections: int) -> None:
        self._group = settings.feature_group
        self._client = aws.feature_store(settings, connections=connections)

    def put(self, values: Mapping[str, str], targets: Sequence[Target]) -> None:
        """Put one record into ``targets``.

        Raises:
            InvalidMessageError: Feature Store refuses this record for good.
            StoreUnavailableError: Anything else: throttling, 5xx, time-outs, credentials.
        """
        try:
            self._client.put_record(
                FeatureGroupName=self._group,
                Record=[{"FeatureName": n, "ValueAsString": v} for n, v in values.items()],
                TargetStores=list(targets),
            )
        except ClientError as error:
            code, message = _said(error)
            if code in REFUSED_FOR_GOOD and not message.startswith(UNKNOWN_GROUP):
                raise InvalidMessageError("store_refused", message) from error
            raise StoreUnavailableError(code, f"Feature Store: {error}") from error
        except BotoCoreError as error:
            raise StoreUnavailableError(type(error).__name__, f"Feature Store: {error}") from error


class S3Archive:
    """The archive's bucket.

    Raises:
        SettingsError: There is no usable AWS configuration.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self._bucket = settings.bucket
        self._client = aws.s3(settings)

    def put(self, name: str, body: bytes) -> None:
        """Store one object, in place of one of the same name.

        Raises:
            FatalError: The bucket does not exist.
            StoreUnavailableError: S3 can't be reached or refuses for now.
        """
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=name,
                Body=body,
                ContentType="application/vnd.apache.parquet",
            )
        except ClientError as error:
            code, _ = _said(error)
            if code == "NoSuchBucket":
                raise FatalError(
                    f"there is no bucket {self._bucket}; run `txfeatures bootstrap` "
                    "or set TXF_AWS_BUCKET to the bucket that it made"
                ) from error
            raise StoreUnavailableError(code, f"S3: {error}") from error
        except BotoCoreError as error:
            raise StoreUnavailableError(type(error).__name__, f"S3: {error}") from error


def _said(error: ClientError) -> tuple[str, str]:
    said = error.response.get("Error", {})
    return str(said.get("Code", "Unknown")), str(said.get("Message", ""))
