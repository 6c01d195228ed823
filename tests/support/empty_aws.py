"""moto in this process, with nothing in it."""

from collections.abc import Iterator
from contextlib import contextmanager

from moto import mock_aws
from moto.backends import get_backend

ACCOUNT = "123456789012"
SERVICES = ("athena", "glue", "s3")


@contextmanager
def empty_aws() -> Iterator[None]:
    """Answer boto3's calls from memory that holds nothing.

    moto empties what it knows to be in use; a local AWS that ran in this process before may
    have left what it no longer knows of.
    """
    with mock_aws():
        for service in SERVICES:
            get_backend(service)[ACCOUNT].reset()  # type: ignore[call-overload]
        yield
