"""The error tree: the class of an error determines how its caller must react.

::

    TxFeaturesError
    ├── InvalidMessageError   send the bytes to the dead letter topic and continue
    ├── TransientError        keep the offset, wait, retry
    └── FatalError            print the message, exit with a non-zero code
        └── SettingsError     refuse to start: a setting is wrong or unknown

Adapters wrap the errors of their client libraries, so that callers depend on none of them.
"""


class TxFeaturesError(Exception):
    """Base class of every error that this project raises on purpose."""


class InvalidMessageError(TxFeaturesError):
    """A message that can never be read; a retry won't help.

    Args:
        reason: Short, fixed, snake_case: a metric label and a header of the dead letter.
        detail: One sentence for the operator.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class TransientError(TxFeaturesError):
    """A temporary refusal by an outer system; the same call may succeed later.

    Args:
        detail: One sentence for the operator.
        retry_after_s: Seconds that the other side asked us to wait, or None.
    """

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class FatalError(TxFeaturesError):
    """An error that ends the process; its message is one sentence with the remedy."""


class SettingsError(FatalError):
    """A setting that is wrong, missing or unknown; the process refuses to start."""
