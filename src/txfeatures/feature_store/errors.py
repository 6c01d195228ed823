"""Failures of AWS calls, classified by the caller's options.

`Failure.of` classifies an exception, `Failure.named` an error code within a batch's answer;
`translated` turns exceptions of a client into this project's error tree.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name
    ConnectTimeoutError,
    HTTPClientError,
    ReadTimeoutError,
)

from txfeatures.domain.errors import FatalError, SettingsError, TransientError, TxFeaturesError

Meaning = Literal["retry", "timeout", "refused", "invalid", "missing", "unconfigured"]
"""``retry`` and ``timeout`` may pass; the others last until somebody acts.

``invalid`` is a record or request that can never be taken, ``missing`` a resource that does
not exist, ``unconfigured`` a client that can't call AWS at all.
"""

_PASSING = frozenset(
    {
        "BandwidthLimitExceeded", "ExpiredToken", "ExpiredTokenException", "LimitExceededException",
        "RequestExpired", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
        "RequestTimeout", "RequestTimeoutException", "SlowDown", "ThrottledException", "Throttling",
        "ThrottlingException", "TooManyRequestsException",
    }
)  # fmt: skip
"""Codes with a status of 4xx that may pass. Expired tokens are renewed by the client."""

_REFUSED = frozenset(
    {
        "AccessDenied", "AccessDeniedException", "AccessForbidden", "InvalidAccessKeyId",
        "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)  # fmt: skip
INVALID = frozenset({"ValidationError", "ValidationException"})
"""Codes for a record or request that can't be taken: modelled is ValidationError, and some calls
have answered ValidationException."""

_MISSING = frozenset({"ResourceNotFound", "ResourceNotFoundException", "NoSuchBucket"})

_UNKNOWN_GROUP = "Resource Not Found"
"""Start of a ValidationError for a group that does not exist, or that has just been made."""


class StoreUnavailableError(TransientError):
    """A store refused a call for now; ``code`` is the error code of the store."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed call, or a failed part of a batch.

    Attributes:
        meaning: The caller's options.
        code: The error code of AWS, or the name of botocore's exception.
        message: The message of AWS, or of the exception.
    """

    meaning: Meaning
    code: str
    message: str

    @classmethod
    def of(cls, error: ClientError | BotoCoreError) -> "Failure":
        """Classify an exception of a client."""
        if isinstance(error, ClientError):
            found = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return cls.named(
                str(found.get("Code", "Unknown")), str(found.get("Message", error)), status=status
            )
        meaning: Meaning = "unconfigured"
        if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
            meaning = "timeout"
        elif isinstance(error, ConnectionError | HTTPClientError):
            meaning = "retry"
        return cls(meaning=meaning, code=type(error).__name__, message=str(error))

    @classmethod
    def named(cls, code: str, message: str, *, status: int = 0) -> "Failure":
        """Classify an error code; ``status`` is 0 within the answer of a batch."""
        meaning: Meaning = "retry"
        if code in INVALID:
            meaning = "missing" if message.startswith(_UNKNOWN_GROUP) else "invalid"
        elif code in _MISSING:
            meaning = "missing"
        elif code in _REFUSED or _is_final(code, status):
            meaning = "refused"
        return cls(meaning=meaning, code=code, message=message)

    @property
    def may_pass(self) -> bool:
        """True if the same call may succeed later."""
        return self.meaning in {"retry", "timeout"}

    @property
    def state(self) -> str:
        """The predicate of a sentence about a failure that may pass."""
        if self.meaning == "timeout":
            return "has not answered in time"
        return "is throttled or unavailable"

    def error(self, service: str) -> TxFeaturesError:
        """Return the error of a call to ``service``, whose name is the subject of its sentence."""
        reason = f"{self.code}: {self.message}"
        if self.may_pass:
            return StoreUnavailableError(
                self.code, f"{service} {self.state} ({reason}); run it again later"
            )
        if self.meaning == "unconfigured":
            return SettingsError(
                f"AWS can't be called ({self.message}); set AWS_DEFAULT_REGION and credentials, "
                "and check AWS_ENDPOINT_URL if it is set"
            )
        if self.meaning == "missing":
            return FatalError(
                f"{service}: a resource is missing ({reason}); run `txfeatures "
                "bootstrap`, and check TXF_AWS_FEATURE_GROUP and TXF_AWS_BUCKET"
            )
        return FatalError(
            f"{service} refused the call ({reason}); check the permissions and TXF_AWS_*"
        )


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Raise `Failure.error` of ``service`` in place of the exceptions of a client."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Failure.of(error).error(service) from error


def _is_final(code: str, status: int) -> bool:
    return 300 <= status < 500 and status not in {408, 429} and code not in _PASSING
