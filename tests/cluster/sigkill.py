"""SIGKILL for process 1 of a container: ``python - <id of the container>``.

Within its own PID namespace, process 1 receives no signal that it does not handle. This runs
in a pod with the processes of its node (``hostPID``), as the user of the services, which is
all that kill(2) requires.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path


def processes(container: str) -> Iterator[int]:
    """Yield the processes of a container, found by its id in the names of their cgroups."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if container in (folder / "cgroup").read_text():
                yield int(folder.name)
        except OSError:  # the process has just ended
            continue


def is_first(process: int) -> bool:
    """Return whether a process is process 1 in its own PID namespace."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    (numbers,) = [line for line in status if line.startswith("NSpid:")]
    return numbers.split()[-1] == "1"


if __name__ == "__main__":
    (first,) = [process for process in processes(sys.argv[1]) if is_first(process)]
    os.kill(first, signal.SIGKILL)
