"""A demo in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kafka_local.ports import free_port

COMMAND = Path(sys.executable).with_name("txfeatures")
TIMEOUT_S = 400.0


class RunningDemo:
    """A demo in a process of its own, whose every file lies under ``folder``."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {
            **os.environ,
            "TMPDIR": str(folder),
            "XDG_STATE_HOME": str(folder.with_name(f"{folder.name}-state")),
        }
        self.process = subprocess.Popen(
            [COMMAND, "demo", "--port", str(self.port), *arguments],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, text: str) -> None:
        """Read what it prints up to a line that holds ``text``."""
        assert self.process.stdout
        for line in self.process.stdout:
            if text in line:
                return
        pytest.fail(f"it never printed {text!r}: {self.end()}")

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, output and errors."""
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, out, err

    def second_terminal(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as in another terminal, whose settings are another account's."""
        return subprocess.run(
            [COMMAND, *arguments],
            env=self.environment | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def children(self) -> dict[int, str]:
        """Process id -> command line of every process that works under ``folder``."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "cwd").readlink().is_relative_to(self.folder):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    found[int(entry.name)] = b" ".join(words).decode()
            except OSError:
                continue  # it ended while we looked, or is another user's
        return found

    def child(self, name: str) -> int:
        """Return the process id of the one whose command line holds ``name``."""
        return next(pid for pid, command in self.children().items() if name in command)
