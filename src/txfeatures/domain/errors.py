"""The error tree: an error's class says what its caller must do.

::

    TxFeaturesError
    ├── InvalidMessageError   send the bytes to the dead letter topic, go on
    ├── TransientError        keep the offset, wait, try again
    └── FatalError            say it in one sentence, exit with a non-zero code
        └── SettingsError     the start was refused: a setting is wrong or unknown

Vendor errors are wrapped where they are met, in the adapter, so that no caller
has to know which client library raised them.
"""


class TxFeaturesError(Exception):
    """Root of every error that this project raises on purpose."""


class InvalidMessageError(TxFeaturesError):
    """The bytes can never be read; retrying will not help.

    Args:
        reason: Short, fixed, snake_case: goes into a metric label and a DLQ header.
        detail: One sentence for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class TransientError(TxFeaturesError):
    """The outside refused for now; the same call may succeed later.

    Args:
        detail: One sentence for a person.
        retry_after_s: Seconds the other side asked us to wait, or None.
    """

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class FatalError(TxFeaturesError):
    """The process can't go on; its message is one sentence that says what to do next."""


class SettingsError(FatalError):
    """A setting is wrong, missing or unknown; the start is refused."""
