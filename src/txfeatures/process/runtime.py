"""The running of a service: steps in threads, retries, the stop flag, and health.

A signal handler only sets a flag. A step that fails for good ends the process with
a non-zero code; the supervisor starts it again, and nothing that was not
acknowledged has been committed.
"""

import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.logs import get_logger
from txfeatures.process.metrics import Metrics
from txfeatures.process.tracing import OFF, Tracing

Step = Callable[[], None]

FIRST_BACKOFF_S = 0.2
LARGEST_BACKOFF_S = 10.0
GIVE_UP_AFTER_S = 240.0
"""A step that has failed so long ends the process; the supervisor starts it again."""

log = get_logger(__name__)


@dataclass(slots=True)
class Health:
    """The readiness of this process: the parts of its own state that it still waits for."""

    _missing: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_for(self, condition: str) -> None:
        """Make the process unready until ``condition`` holds."""
        with self._lock:
            self._missing.add(condition)

    def has(self, condition: str) -> None:
        """Record that ``condition`` holds."""
        with self._lock:
            self._missing.discard(condition)

    def missing(self) -> list[str]:
        """Return the conditions that don't hold yet; none when the process is ready."""
        with self._lock:
            return sorted(self._missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The stop flag, health, metrics, traces and clock that the parts of a service share."""

    metrics: Metrics
    clock: Clock = field(default_factory=SystemClock)
    stop: threading.Event = field(default_factory=threading.Event)
    health: Health = field(default_factory=Health)
    tracing: Tracing = OFF


def stop_on_signals(stop: threading.Event) -> None:
    """Let SIGTERM and SIGINT set ``stop``; call from the main thread."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def run(steps: Mapping[str, Step], *, runtime: Runtime, apart: bool = False) -> int:
    """Call each step again and again, each in a thread of its own, until stopped.

    Args:
        steps: Name -> step.
        runtime: The stop flag and the clock.
        apart: A step that has failed for good leaves the others working; otherwise it stops
            them.

    Returns:
        The exit code: 0 after a stop, 1 when a step has failed for good.
    """
    failed = threading.Event()

    def loop(name: str, step: Step) -> None:
        try:
            _repeat(name, step, runtime)
        except FatalError as error:
            log.error("step_failed", step=name, error=str(error))
            failed.set()
        except Exception:
            log.exception("step_crashed", step=name)
            failed.set()
        finally:
            if not apart:
                runtime.stop.set()  # one loop less is a dead service

    threads = [
        threading.Thread(target=loop, args=item, name=item[0], daemon=True)
        for item in steps.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(timeout=0.2)  # short, so that a signal is handled
    return int(failed.is_set())


def backoff_s(attempt: int) -> float:
    """Return the wait after the ``attempt``-th failure in a row, from 1."""
    return min(LARGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempt - 1, 16))


def _repeat(name: str, step: Step, runtime: Runtime) -> None:
    attempt, first_failure = 0, 0.0
    while not runtime.stop.is_set():
        try:
            step()
            attempt = 0
        except TransientError as error:
            now = runtime.clock.monotonic()
            first_failure = now if attempt == 0 else first_failure
            attempt += 1
            if now - first_failure > GIVE_UP_AFTER_S:
                raise FatalError(
                    f"gave up after {GIVE_UP_AFTER_S:.0f} s, start again: {error}"
                ) from error
            wait_s = max(backoff_s(attempt), error.retry_after_s or 0.0)
            log.warning("step_retried", step=name, attempt=attempt, wait_s=wait_s, error=str(error))
            runtime.clock.wait(runtime.stop, wait_s)
