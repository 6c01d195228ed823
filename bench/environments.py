"""Separate environments of the peers, created once and kept in the user's cache."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kafka_local.jars import default_cache_dir, ensure_jars
from kafka_local.lock import read_lock

from txfeatures.domain.errors import FatalError

PEERS = Path(__file__).with_name("peers")


class SkippedError(FatalError):
    """A peer that can't run on this machine; the message names the missing part."""


def cache_dir() -> Path:
    """Return the directory of the environments."""
    return default_cache_dir().parent / "bench"


def python_of(peer: str, cache: Path) -> Path:
    """Return the interpreter of an environment with exactly the packages of ``peers/<peer>.txt``.

    Raises:
        SkippedError: The packages can't be installed.
    """
    wanted = (PEERS / f"{peer}.txt").read_text(encoding="utf-8")
    directory = cache / f"{peer}-venv"
    python, installed = directory / "bin" / "python", directory / "installed.txt"
    if not installed.is_file() or installed.read_text(encoding="utf-8") != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(directory)], peer)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "--requirement", str(PEERS / f"{peer}.txt")], peer)
        installed.write_text(wanted, encoding="utf-8")
    return python


def java_of(peer: str, source: str, cache: Path) -> list[str]:
    """Return the command that runs ``peers/<source>`` with the jars of ``peers/<peer>.lock``.

    Raises:
        SkippedError: There is no JDK, or the jars can't be downloaded.
    """
    java, javac = shutil.which("java"), shutil.which("javac")
    if java is None or javac is None:
        raise SkippedError(f"{peer} needs a JDK, and there is no javac on the PATH; install one")
    try:
        jars = ensure_jars(cache / f"{peer}-jars", jars=read_lock(PEERS / f"{peer}.lock"))
    except FatalError as error:
        raise SkippedError(str(error)) from error
    classes = cache / f"{peer}-classes"
    classpath = os.pathsep.join(map(str, [classes, *jars]))
    _run([javac, "-d", str(classes), "-cp", classpath, str(PEERS / source)], peer)
    return [java, "-cp", classpath, Path(source).stem]


def _run(command: Sequence[str], peer: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own commands, no shell
        command, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise SkippedError(
            f"{peer} has no environment: `{Path(command[0]).name}` failed with"
            f" {output.splitlines()[-1]}; fix that and run again"
        )
