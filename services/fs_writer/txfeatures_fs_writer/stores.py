"""The archive in S3, as fs_writer writes it."""

from collections.abc import Iterator
from contextlib import contextmanager

from txfeatures.archive.bucket import S3Bucket, S3UnavailableError
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.archive.skips import Skip, store_skip
from txfeatures.archive.untitled import has_untitled
from txfeatures.domain.model import Record
from txfeatures.feature_store.errors import StoreUnavailableError
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings


class S3Archive:
    """The archive's bucket; for one thread.

    Raises:
        SettingsError: There is no usable AWS configuration.
    """

    def __init__(self, settings: AwsSettings) -> None:
        self._bucket = S3Bucket(aws.s3(settings), settings.bucket)
        self._manifests = Manifests(self._bucket)

    def has_without_topic(self, name: ObjectName, first: Record) -> bool:
        """Return whether an earlier release stored this object, under a name without a topic.

        Raises:
            FatalError: The bucket does not exist.
            StoreUnavailableError: S3 can't be reached or refuses for now.
        """
        with _unavailable():
            return has_untitled(self._bucket, name, first)

    def note(self, skip: Skip) -> None:
        """Store the note of a skip.

        Raises:
            FatalError: The bucket does not exist.
            StoreUnavailableError: S3 can't be reached or refuses for now.
        """
        with _unavailable():
            store_skip(self._bucket, skip)

    def put(self, name: ObjectName, body: bytes, *, rows: int) -> None:
        """Store one object, in place of one of the same name, and make it live.

        Raises:
            FatalError: The bucket does not exist.
            StoreUnavailableError: S3 can't be reached or refuses for now.
        """
        with _unavailable():
            store_object(self._bucket, name, body, rows=rows)
            self._manifests.add(name)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except S3UnavailableError as error:
        raise StoreUnavailableError(error.code, str(error)) from error
