"""The retry policy of calls of AWS."""

import threading
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.feature_store.errors import Failure
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.runtime import FIRST_BACKOFF_S, LARGEST_BACKOFF_S

C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Repeats calls whose failure may pass, after pauses that double.

    Attributes:
        clock: Waits.
        stop: Ends the waiting, and with it the repeating.
        attempts: Most attempts of one call. By default the pauses add up to 22 s, more than
            AWS throttles a call for.
        first_pause_s: The pause after the first attempt.
        repeats_timeouts: Whether a call that was not answered in time is repeated.
    """

    clock: Clock = field(default_factory=SystemClock)
    stop: threading.Event = field(default_factory=threading.Event)
    attempts: int = 8
    first_pause_s: float = FIRST_BACKOFF_S
    repeats_timeouts: bool = True

    def pause(self, attempt: int, failure: Failure) -> bool:
        """Wait after the ``attempt``-th failure, from 1; return whether to try again."""
        if attempt >= self.attempts or not failure.may_pass:
            return False
        if failure.meaning == "timeout" and not self.repeats_timeouts:
            return False
        pause_s = min(LARGEST_BACKOFF_S, self.first_pause_s * 2.0 ** (attempt - 1))
        return not self.clock.wait(self.stop, pause_s)

    def attach(self, client: C) -> C:
        """Let a client of boto3 repeat its calls by this policy; return the client.

        botocore's own retries sleep by the machine's clock and can't be stopped. This is the
        event by which they are hooked in; the clients have them switched off.
        """
        found: Any = client
        service = found.meta.service_model.service_id.hyphenize()
        found.meta.events.register_first(f"needs-retry.{service}", self._on_response)
        return client

    def _on_response(
        self,
        *,
        response: tuple[Any, dict[str, Any]] | None,
        caught_exception: Exception | None,
        attempts: int,
        operation: Any,
        **_: object,
    ) -> int | None:
        """Return 0, for a repeat without a further pause, or None for none."""
        error = caught_exception
        if response is not None:
            parsed: Any = response[1]
            is_failure = parsed.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 300
            error = ClientError(parsed, operation.name) if is_failure else None
        if not isinstance(error, ClientError | BotoCoreError):
            return None
        return 0 if self.pause(attempts, Failure.of(error)) else None
