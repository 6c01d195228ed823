"""Errors of this package."""


class MicrobatchError(Exception):
    """An error that its reader can mend; the message is one sentence that names the remedy."""
