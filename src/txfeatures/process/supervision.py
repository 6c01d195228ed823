"""Steps that fail apart: one goes on trying while the others of its process work."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from txfeatures.domain.dead_letter_limit import TooManyDeadLettersError
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step, backoff_s

REOPEN_AFTER_S = 180.0
"""With the longest step and wait still below Kafka's ``max.poll.interval.ms`` of 300 s: a step
leaves its group before it is thrown out."""

SETTLED_AFTER_S = 30.0
"""A failure that lasts so long is reported; so long without one ends the report."""

OpenStep = Callable[[], AbstractContextManager[Step]]

log = get_logger(__name__)


class SupervisedStep:
    """A step that is tried again, and opened anew, until it works.

    A step whose failure lasts, or is fatal, or is a defect, is closed and opened anew, as if
    its process had been started again: it leaves its consumer group and reads on from its
    commit. Only too many dead letters end it, because each new beginning would accept more.

    While it fails the process is unready and the gauge ``step_failing`` is 1; the other steps
    don't notice.

    Args:
        name: The step, as metric and log call it.
        open_step: Opens the step; called first by the constructor, so that a process which
            can't begin ends with a sentence.
    """

    def __init__(self, name: str, open_step: OpenStep, *, runtime: Runtime) -> None:
        self._name = name
        self._open_step = open_step
        self._runtime = runtime
        self._resources = ExitStack()
        self._step: Step | None = None
        self._attempts = 0
        self._opened_s = self._worked_s = self._failed_s = runtime.clock.monotonic()
        self._is_failing = False
        runtime.metrics.set("step_failing", 0, step=name)
        self._open()

    def __call__(self) -> None:
        """Work once, or fail and wait.

        Raises:
            TooManyDeadLettersError: The step has ended.
        """
        try:
            (self._step or self._open())()
        except TooManyDeadLettersError as error:
            self._report(error)
            self.close()
            raise
        except TransientError as error:
            self._retry(error, retry_after_s=error.retry_after_s or 0.0)
        except FatalError as error:
            self._begin_anew(error)
        except Exception as error:
            log.exception("step_crashed", step=self._name)
            self._begin_anew(error)
        else:
            self._settle()

    def close(self) -> None:
        """Close what the step has opened."""
        self._step = None
        self._resources.close()

    def _open(self) -> Step:
        self._opened_s = self._runtime.clock.monotonic()
        self._step = self._resources.enter_context(self._open_step())
        return self._step

    def _begin_anew(self, error: Exception) -> None:
        self._report(error)
        self.close()
        self._retry(error)

    def _retry(self, error: Exception, *, retry_after_s: float = 0.0) -> None:
        clock = self._runtime.clock
        self._failed_s = clock.monotonic()
        self._attempts += 1
        if self._failed_s - self._worked_s >= SETTLED_AFTER_S:
            self._report(error)
        if self._failed_s - max(self._opened_s, self._worked_s) >= REOPEN_AFTER_S:
            self.close()
        wait_s = max(backoff_s(self._attempts), retry_after_s)
        log.warning(
            "step_retried",
            step=self._name,
            attempt=self._attempts,
            wait_s=wait_s,
            error=str(error),
        )
        clock.wait(self._runtime.stop, wait_s)

    def _report(self, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.error("step_failing", step=self._name, error=str(error))
            self._runtime.metrics.set("step_failing", 1, step=self._name)
            self._runtime.health.wait_for(f"the step {self._name}")

    def _settle(self) -> None:
        self._worked_s = self._runtime.clock.monotonic()
        if not self._is_failing:
            self._attempts = 0
        # A step that was opened anew and has found nothing to do yet has proved nothing.
        elif self._worked_s - self._failed_s >= SETTLED_AFTER_S:
            self._is_failing = False
            self._attempts = 0
            log.info("step_recovered", step=self._name)
            self._runtime.metrics.set("step_failing", 0, step=self._name)
            self._runtime.health.has(f"the step {self._name}")
