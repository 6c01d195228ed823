"""Topics that are followed for ever: rows can be served without what they tell."""

from collections.abc import Callable, Sequence
from typing import Protocol

from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import Record
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step, backoff_s

POLL_S = 1.0

log = get_logger(__name__)


class Tail(Protocol):
    """The end of a topic."""

    def poll(self, timeout_s: float) -> list[Record]:
        """Return the records since the last call; the first time, the last ones of the topic."""
        ...


def follow_tail(
    tail: Tail, receive: Callable[[Sequence[Record]], None], *, unreachable: str, runtime: Runtime
) -> Step:
    """Return the step that hands on what comes, however long Kafka is out of reach.

    Unlike other steps it never gives up.

    Args:
        tail: The topic.
        receive: Called with what each poll brought.
        unreachable: Name of the log event of a poll that failed.
        runtime: The stop flag and the clock.
    """
    failures = 0

    def step() -> None:
        nonlocal failures
        try:
            receive(tail.poll(POLL_S))
        except TransientError as error:
            failures += 1
            log.warning(unreachable, attempt=failures, error=str(error))
            runtime.clock.wait(runtime.stop, backoff_s(failures))
        else:
            failures = 0

    return step
