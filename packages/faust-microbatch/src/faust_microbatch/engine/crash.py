"""Crash-only: an error that can't be repaired ends the worker; nothing more is committed."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

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
                handler.flush()
            self._end(crashed)
        raise crashed

    @contextmanager
    def on_error(self, reason: str) -> Iterator[None]:
        """End the worker on any error of the block, which is left without one."""
        with suppress(CrashedError):
            try:
                yield
            except CrashedError:
                raise
            except BaseException as error:  # noqa: BLE001
                self(reason, error)
