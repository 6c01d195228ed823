"""The archive in S3, as fs_writer writes it."""

from txfeatures.archive.bucket import S3Bucket, S3UnavailableError
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
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
