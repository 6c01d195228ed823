"""SIGKILL for process 1 of a container: ``python - <container's id>``.

Inside of its own namespace of processes, process 1 is safe from every signal that it does
not handle. So this runs in a pod that sees its node's processes (``hostPID``), as the user
that the services run as, which is all that kill(2) asks for.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path


def processes(container: str) -> Iterator[int]:
    """Yield the processes of a container, whose id is in the names of their cgroups."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if container in (folder / "cgroup").read_text():
                yield int(folder.name)
        except OSError:  # it has just ended
            continue


def is_first(process: int) -> bool:
    """Whether a process is process 1 in its own namespace."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    (numbers,) = [line for line in status if line.startswith("NSpid:")]
    return numbers.split()[-1] == "1"


if __name__ == "__main__":
    (first,) = [process for process in processes(sys.argv[1]) if is_first(process)]
    os.kill(first, signal.SIGKILL)
