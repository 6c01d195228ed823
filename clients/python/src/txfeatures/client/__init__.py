"""Python client of the txfeatures api: the newest features, their history, and a live stream.

Read in this order: ``sync`` and ``asynchronous`` (the clients), ``exchange`` (requests, retries
and errors of one call), ``subscription`` (the stream), ``row`` and ``frames`` (the results).
"""

from txfeatures.client.asynchronous import AsyncFeatures
from txfeatures.client.errors import (
    BadAnswerError,
    FeaturesError,
    MissingPackageError,
    NotFoundError,
    RefusedError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedError,
)
from txfeatures.client.retries import Retries
from txfeatures.client.row import Row
from txfeatures.client.sync import Features

__version__ = "0.1.0"

__all__ = [
    "AsyncFeatures",
    "BadAnswerError",
    "Features",
    "FeaturesError",
    "MissingPackageError",
    "NotFoundError",
    "RefusedError",
    "Retries",
    "Row",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnavailableError",
    "UnsupportedError",
]
