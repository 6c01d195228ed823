"""The error of a release."""


class ReleaseError(Exception):
    """The tree can't be released; the message names the reason and the way out."""
