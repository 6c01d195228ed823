"""One call of AWS for one right: its failure becomes a sentence that names the right."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.domain.errors import FatalError, TxFeaturesError
from txfeatures.feature_store.errors import Failure

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})
"""Codes by which services refuse an action; the last is that of an answer without a body."""


@dataclass(slots=True)
class Answered:
    """The error code by which AWS answered as expected, empty if the call succeeded."""

    code: str = ""


@contextmanager
def granted(action: str, resource: str, *, expected: Collection[str] = ()) -> Iterator[Answered]:
    """Translate the failure of the call in the context.

    Args:
        action: The right that the call needs, as IAM names it.
        resource: That which it is about, for a reader.
        expected: Error codes that prove the right as success does.

    Raises:
        FatalError: The right is missing, or AWS can't be called at all.
        TransientError: AWS does not answer.
    """
    answered = Answered()
    try:
        yield answered
    except (ClientError, BotoCoreError) as error:
        failure = Failure.of(error)
        if failure.code in expected:
            answered.code = failure.code
        else:
            raise error_of(failure, action, resource) from error


def error_of(failure: Failure, action: str, resource: str) -> TxFeaturesError:
    """Return the error of a call that needed the right ``action``; see `granted`."""
    if failure.code in _DENIED:
        return FatalError(
            f"the right {action} on {resource} is missing ({failure.code}); grant it to the role "
            "of these credentials"
        )
    return failure.error(action.partition(":")[0])
