"""The errors of the client; each message is one sentence with the next thing to do.

::

    FeaturesError
    ├── UnavailableError        no answer, or 5xx, after all retries: try again later
    │   └── TooManyRequestsError    429: ask less often
    ├── RefusedError            4xx: change the request
    │   ├── NotFoundError           404: there is no such row (yet)
    │   └── UnauthorizedError       401 or 403: give a valid token
    ├── UnsupportedError        this api is older than the request: upgrade it
    ├── BadAnswerError          the answer is not the api's: check the address
    └── MissingPackageError     an optional package is not installed
"""


class FeaturesError(Exception):
    """Base class of every error that the client raises on purpose."""


class UnavailableError(FeaturesError):
    """The api can't be reached, or can't answer now; the same call may succeed later.

    Attributes:
        retry_after_s: Seconds that the api asked to wait, None if it named none.
    """

    def __init__(self, sentence: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class TooManyRequestsError(UnavailableError):
    """The api limits this client; ask less often."""


class RefusedError(FeaturesError):
    """The api refuses the request; a retry won't help.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, sentence: str, *, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class NotFoundError(RefusedError):
    """There is no such row."""


class UnauthorizedError(RefusedError):
    """The token is missing, wrong or expired, or does not permit the request."""


class UnsupportedError(FeaturesError):
    """The api is older than the request."""


class BadAnswerError(FeaturesError):
    """The answer can't be understood; something else than the api may have sent it."""


class MissingPackageError(FeaturesError, ImportError):
    """An optional package is needed and not installed."""
