"""The terminal's Ctrl-C for this process alone."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def foreground() -> Iterator[None]:
    """Be the terminal's foreground process group while the context lasts, as a shell's job is.

    ``make`` shares its process group with what it runs: Ctrl-C would interrupt it too, and
    it would report a failure although the demo had ended well. Without a terminal, or in its
    background, this does nothing.
    """
    terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
    if terminal is None or os.tcgetpgrp(terminal) != os.getpgrp() or os.getsid(0) == os.getpid():
        yield
        return
    caller = os.getpgrp()
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # a background job would be stopped
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpid())
    try:
        yield
    finally:
        os.tcsetpgrp(terminal, caller)
        signal.signal(signal.SIGTTOU, before)
