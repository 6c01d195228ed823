"""A child process that cannot outlive its parent, even if that is killed."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# The guard reads a pipe whose other end only the parent holds: the read returns when the
# parent is gone, even by SIGKILL. Linux's PR_SET_PDEATHSIG would do without a guard, but it
# fires when the *thread* that started the child ends, and macOS has nothing like it.
_GUARD = 'read -r _; kill -s KILL -- "-$1"'


class GuardedProcess:
    """A program that runs in its own session, with its output appended to a file.

    A Ctrl-C at the terminal does not reach that session, only the parent, which can then stop
    its children in an order of its choice.

    Args:
        command: The program and its arguments.
        cwd: The directory it runs in.
        output: The file that its output and errors are appended to.
        env: Its whole environment.
    """

    def __init__(
        self, command: Sequence[str], *, cwd: Path, output: Path, env: Mapping[str, str]
    ) -> None:
        with output.open("ab") as file:
            self._process = subprocess.Popen(  # noqa: S603 - the caller's own command, no shell
                command,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", _GUARD, "guard", str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id, which is also that of its process group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the program runs."""
        code = self._process.poll()
        if code is not None:
            self._dismiss_guard()
        return code

    def wait(self) -> int:
        """Wait until the program ends by itself; return its exit code."""
        code = self._process.wait()
        self._dismiss_guard()
        return code

    def terminate(self) -> None:
        """Send SIGTERM to the program, without waiting for its end."""
        self._process.terminate()

    def stop(self, grace_s: float) -> None:
        """Send SIGTERM and wait for the end; kill the program when ``grace_s`` have passed."""
        self.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        self.kill()

    def kill(self) -> None:
        """End the program and its children at once; return when it is gone."""
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self._dismiss_guard()

    def _dismiss_guard(self) -> None:
        """End the guard, so that it never kills a later process with the same id."""
        self._guard.kill()
        self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()
