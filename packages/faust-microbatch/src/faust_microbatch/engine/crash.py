"""Crash-only: what can't be repaired ends the process, and nothing unfinished is committed."""

import logging
import os
from collections.abc import Callable
from typing import NoReturn

log = logging.getLogger(__name__)


class CrashedError(Exception):
    """Unwinds the thread that ended the process, where the exit was replaced by a test's."""


class Crash:
    """Ends the process with exit code 1, from any thread, after saying why.

    An exit through the interpreter would run clean-up code that commits or leaves the group
    as if all were well; a process that is gone does neither.

    Args:
        exit_process: What to call with the exit code.
    """

    def __init__(self, exit_process: Callable[[int], object] = os._exit) -> None:
        self._exit = exit_process

    def __call__(self, reason: str, error: BaseException | None = None) -> NoReturn:
        """End the process.

        Raises:
            CrashedError: The exit came back, as in tests.
        """
        log.critical("%s; the process ends", reason, exc_info=error)
        for handler in logging.getLogger().handlers:
            handler.flush()
        self._exit(1)
        raise CrashedError(reason) from error
