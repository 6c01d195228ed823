"""Errors that the local AWS returns instead of a result."""


class AwsError(Exception):
    """A refusal in the words of AWS: becomes an HTTP error that botocore understands.

    Args:
        code: Name of the error, as clients see it in ``Error.Code``.
        message: One sentence for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class DropConnectionError(Exception):
    """The connection ends here, without an answer."""


def invalid_record(message: str) -> AwsError:
    """Return the data plane's refusal of a request that is wrong in itself."""
    return AwsError("ValidationError", f"Validation Error: {message}")


def invalid_settings(message: str) -> AwsError:
    """Return the control plane's refusal of a request that is wrong in itself."""
    return AwsError("ValidationException", message)


def group_not_found(code: str, name: str) -> AwsError:
    """Return the refusal for a feature group that isn't there.

    Args:
        code: ``ResourceNotFound``, or ``ValidationError`` where the operation's model
            has no such error (PutRecord, DeleteRecord).
        name: The group asked for.
    """
    return AwsError(
        code, f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name [{name}]."
    )


class LocalStoreError(Exception):
    """The local store can't start; the message is one sentence that says what to do next."""
