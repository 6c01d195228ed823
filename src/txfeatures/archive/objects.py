"""Storage of archive objects, with the metadata that proves them intact."""

import hashlib
from io import BufferedReader

from txfeatures.archive.bucket import Bucket
from txfeatures.archive.layout import ObjectName

CONTENT_TYPE = "application/vnd.apache.parquet"
SHA256 = "sha256"
ROWS = "rows"
"""User metadata in S3: SHA-256 of the bytes in hex, and the number of rows."""


def store_object(
    bucket: Bucket, name: ObjectName, body: bytes | BufferedReader, *, rows: int
) -> None:
    """Store one object, replacing one of the same name; it is not live until a manifest lists it.

    Args:
        bucket: Bucket of the archive.
        name: Name of the object.
        body: A Parquet file, as bytes or open for reading from its start.
        rows: Number of rows in ``body``.

    Raises:
        S3UnavailableError: The object may be stored or not; call again.
    """
    if isinstance(body, bytes):
        digest = hashlib.sha256(body).hexdigest()
    else:
        digest = hashlib.file_digest(body, "sha256").hexdigest()
        body.seek(0)
    metadata = {SHA256: digest, ROWS: str(rows)}
    bucket.put(name.key, body, content_type=CONTENT_TYPE, metadata=metadata)
