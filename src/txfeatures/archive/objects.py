"""How an object of the archive is stored, with what tells later whether it is intact."""

import hashlib
from io import BufferedReader

from txfeatures.archive.bucket import Bucket
from txfeatures.archive.layout import ObjectName

CONTENT_TYPE = "application/vnd.apache.parquet"
SHA256 = "sha256"
ROWS = "rows"
"""User metadata of S3: the bytes' SHA-256 in hex, and how many rows they hold."""


def store_object(
    bucket: Bucket, name: ObjectName, body: bytes | BufferedReader, *, rows: int
) -> None:
    """Store one object, in place of one of the same name; it is not live by that alone.

    Args:
        bucket: Where the archive lies.
        name: What it is called.
        body: A Parquet file, whole or open for reading from its start.
        rows: How many rows it holds.

    Raises:
        S3UnavailableError: It is not known whether it is stored; call again.
    """
    if isinstance(body, bytes):
        digest = hashlib.sha256(body).hexdigest()
    else:
        digest = hashlib.file_digest(body, "sha256").hexdigest()
        body.seek(0)
    metadata = {SHA256: digest, ROWS: str(rows)}
    bucket.put(name.key, body, content_type=CONTENT_TYPE, metadata=metadata)
