"""Crash-only: an error that can't be repaired ends the worker; nothing more is committed."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from faust_microbatch.errors import MicrobatchError

LOOK_S = 0.1
"""Seconds between two looks whether the worker has crashed meanwhile."""

log = logging.getLogger(__name__)


class CrashedError(Exception):
    """The worker has crashed; unwinds the thread that noticed it."""


class Crash:
    """Ends the worker, from any thread, after logging the reason.

    From the moment of the crash on nothing is committed, however long the process takes to
    end: agents begin and finish no batch, the committer begins no transaction. A transaction
    that is already on its way holds whole batches only, so it may still succeed.

    Args:
        end: Called with the error, once; it may or may not return.
    """

    def __init__(self, end: Callable[[CrashedError], object]) -> None:
        self._end = end
        self._happened = threading.Event()

    @property
    def happened(self) -> bool:
        """True once the worker has crashed."""
        return self._happened.is_set()

    def __call__(self, reason: str, error: BaseException | None = None) -> NoReturn:
        """End the worker.

        Raises:
            CrashedError: Always, unless the process is gone by then.
        """
        crashed = CrashedError(reason)
        crashed.__cause__ = error
        if not self.happened:
            self._happened.set()
            log.critical("%s; the worker ends", reason, exc_info=error)
            for handler in logging.getLogger().handlers:
                with suppress(OSError, ValueError):  # a log that is gone must not keep it alive
                    handler.flush()
            self._end(crashed)
        raise crashed

    def join(self, thread: threading.Thread, patience_s: float) -> None:
        """Wait until ``thread`` has ended; after a crash, for ``patience_s`` at most.

        It may hang inside librdkafka, and the crash may be how that was noticed.
        """
        while thread.is_alive() and not self.happened:
            thread.join(LOOK_S)
        thread.join(patience_s)

    @contextmanager
    def on_error(self, reason: str) -> Iterator[None]:
        """End the worker on any error of the block, which is left without one."""
        with suppress(CrashedError):
            try:
                yield
            except CrashedError:
                raise
            except MicrobatchError as error:  # one sentence for the user, who needs no trace
                self(f"{reason}: {error}")
            except BaseException as error:  # noqa: BLE001
                self(reason, error)
