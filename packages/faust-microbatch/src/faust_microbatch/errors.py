"""The error of this package."""


class MicrobatchError(Exception):
    """The worker can't go on; the message is one sentence that says what to do next."""
