"""Feature Store and S3: the adapters that know AWS and its errors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.archive.bucket import S3Bucket, S3UnavailableError
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import RECORD_IDENTIFIER
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings
from txfeatures_fs_writer.logic import Put
from txfeatures_fs_writer.ports import Answer, StoreUnavailableError

if TYPE_CHECKING:
    from types_boto3_sagemaker_featurestore_runtime.type_defs import (
        BatchWriteRecordEntryOutputTypeDef,
        FeatureValueTypeDef,
    )

REFUSED_FOR_GOOD = frozenset({"ValidationError", "ValidationException"})
"""Modelled is ValidationError; ValidationException is what some calls have answered."""

UNKNOWN_GROUP = "Resource Not Found"
"""Start of a ValidationError that passes: it is said of a group that has just been made."""


UNPROCESSED = "UnprocessedEntries"
"""Code of a row that a call left undone without a reason; it is to be sent again."""

DENIED = frozenset({"AccessForbidden", "AccessDenied", "AccessDeniedException"})


class FeatureGroupStore:
    """Both stores of the feature group, as PutRecord and BatchWriteRecord reach them.

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

    def put(self, puts: Sequence[Put]) -> Sequence[Answer]:
        """Put up to 25 rows of different minutes with one call, and say what became of each.

        Raises:
            StoreUnavailableError: The call was refused for now: throttling, 5xx, time-outs,
                credentials.
        """
        if len(puts) == 1:
            return [self._put_one(puts[0])]
        try:
            return self._put_many(puts)
        except InvalidMessageError:
            # One row can spoil the call for all: alone, the others are taken.
            return [self._put_one(put) for put in puts]

    def _put_one(self, put: Put) -> Answer:
        try:
            with _answered():
                self._client.put_record(
                    FeatureGroupName=self._group,
                    Record=_record(put),
                    TargetStores=list(put.targets),
                )
        except InvalidMessageError as error:
            return error
        return None

    def _put_many(self, puts: Sequence[Put]) -> Sequence[Answer]:
        with _answered():
            answer = self._client.batch_write_record(
                Entries=[
                    {
                        "FeatureGroupName": self._group,
                        "Record": _record(put),
                        "TargetStores": list(put.targets),
                    }
                    for put in puts
                ]
            )
        errors: dict[str, Answer] = {}
        for entry in answer["UnprocessedEntries"]:
            undone = StoreUnavailableError(UNPROCESSED, "Feature Store left rows undone")
            errors[_minute(entry)] = undone
        for error in answer["Errors"]:
            errors[_minute(error["Entry"])] = _judged(error["ErrorCode"], error["ErrorMessage"])
        return [errors.get(put.values[RECORD_IDENTIFIER]) for put in puts]


class S3Archive:
    """The archive's bucket; for one thread.

    Raises:
        SettingsError: There is no usable AWS configuration.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self._bucket = S3Bucket(aws.s3(settings), settings.bucket)
        self._manifests = Manifests(self._bucket)

    def put(self, name: ObjectName, body: bytes, *, rows: int) -> None:
        """Store one object, in place of one of the same name, and make it live.

        Raises:
            FatalError: The bucket does not exist.
            StoreUnavailableError: S3 can't be reached or refuses for now.
        """
        try:
            store_object(self._bucket, name, body, rows=rows)
            self._manifests.add(name)
        except S3UnavailableError as error:
            raise StoreUnavailableError(error.code, str(error)) from error


def _record(put: Put) -> "list[FeatureValueTypeDef]":
    return [{"FeatureName": name, "ValueAsString": v} for name, v in put.values.items()]


def _minute(entry: "BatchWriteRecordEntryOutputTypeDef") -> str:
    return next(
        value.get("ValueAsString", "")
        for value in entry["Record"]
        if value["FeatureName"] == RECORD_IDENTIFIER
    )


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {})
        raise _judged(str(said.get("Code", "Unknown")), str(said.get("Message", ""))) from error
    except BotoCoreError as error:
        raise StoreUnavailableError(type(error).__name__, f"Feature Store: {error}") from error


def _judged(code: str, message: str) -> InvalidMessageError | StoreUnavailableError:
    if code in REFUSED_FOR_GOOD and not message.startswith(UNKNOWN_GROUP):
        return InvalidMessageError("store_refused", message)
    if code in DENIED:
        message += "; rows need sagemaker:PutRecord and sagemaker:BatchWriteRecord"
    return StoreUnavailableError(code, f"Feature Store: {code}: {message}")
