"""Effects on the process as a whole; a library has none unless the host program opts in."""

import ctypes
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEffects:
    """Effects that the worker may have on the process it runs in; none by default.

    Attributes:
        exit_process: Called with exit code 1 when the worker can't go on, from any thread. It
            must not return. None: the app stops without committing anything more, and
            `faust.Worker` raises the error, hence ends with exit code 1.
        gc_threshold: Objects that must have been made before the garbage collector looks at
            the young ones, set when the app starts. None leaves the collector alone.
        trims_memory: Whether freed memory is returned to the operating system after a recovery.
    """

    exit_process: Callable[[int], object] | None = None
    gc_threshold: int | None = None
    trims_memory: bool = False

    def started(self) -> None:
        """Apply the effects of a start."""
        if self.gc_threshold is not None:
            gc.set_threshold(self.gc_threshold)

    def recovered(self) -> None:
        """Apply the effects of a recovery.

        librdkafka frees what it has fetched piece by piece between pieces that stay, so glibc
        keeps it: after a recovery of three million small records that was half a gigabyte.
        Other C libraries have no ``malloc_trim``.
        """
        if self.trims_memory and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
            trim(0)


def own_process() -> ProcessEffects:
    """Return the effects for a process that does nothing but run the worker.

    A worker that can't go on ends the process at once (``os._exit``), although threads may
    hang inside librdkafka. The collector looks at young objects every 50,000: tens of thousands
    of records come and go, and looking at them costs a tenth of the time.
    """
    return ProcessEffects(exit_process=os._exit, gc_threshold=50_000, trims_memory=True)
