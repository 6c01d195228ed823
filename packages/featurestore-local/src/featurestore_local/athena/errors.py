"""Errors of queries that fail, and of requests that are refused."""

from featurestore_local.errors import AwsError


class QueryError(Exception):
    """The query ends as FAILED, with this text as the reason for its change of state.

    Args:
        code: Trino's name of the error, ``TABLE_NOT_FOUND`` for example.
        message: One sentence for the user.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")


def invalid_request(message: str) -> AwsError:
    """Return Athena's refusal of an invalid request."""
    return AwsError("InvalidRequestException", message)
