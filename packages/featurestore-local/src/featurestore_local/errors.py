"""Errors of requests, and of the local AWS itself."""


class AwsError(Exception):
    """A refusal in AWS's form, returned as an HTTP error that botocore can parse.

    Args:
        code: Name of the error, as clients see it in ``Error.Code``.
        message: One sentence for the user.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class DropConnectionError(Exception):
    """The connection is dropped without an answer."""


def invalid_record(message: str) -> AwsError:
    """Return the data plane's refusal of an invalid request."""
    return AwsError("ValidationError", f"Validation Error: {message}")


def invalid_settings(message: str) -> AwsError:
    """Return the control plane's refusal of an invalid request."""
    return AwsError("ValidationException", message)


def group_not_found(code: str, name: str) -> AwsError:
    """Return the refusal of a request for a missing feature group.

    Args:
        code: ``ResourceNotFound``, or ``ValidationError`` where the operation's model
            has no such error (PutRecord, DeleteRecord).
        name: The group's name or ARN, as requested.
    """
    return AwsError(
        code, f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name [{name}]."
    )


class TableError(Exception):
    """An Iceberg table can't be read or changed; the message is one sentence for the user."""


class LocalStoreError(Exception):
    """The local store can't start; the message is one sentence with the next step."""
