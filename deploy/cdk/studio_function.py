"""Code of the function that owns a Studio: ``python -m deploy.cdk.studio_function build/studio``.

It is our package with boto3, from the lock and with checked hashes, for the machine and the
Python of Lambda: Lambda's own boto3 is older than some parameters that we give.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from deploy.docker.locked import direct, part
from txfeatures.domain.errors import SettingsError

ROOT = Path(__file__).parents[2]
CODE = ROOT / "build" / "studio"
PYTHON = "3.13"
ARCHITECTURE = "x86_64"
_PLATFORMS = tuple(f"manylinux_2_{minor}_{ARCHITECTURE}" for minor in (17, 28, 34))
"""Those that Lambda's Amazon Linux 2023 has: its glibc is 2.34."""


def code() -> Path:
    """Return the directory of the code.

    Raises:
        SettingsError: It has not been made.
    """
    if not (CODE / "txfeatures").is_dir():
        raise SettingsError(
            f"[studio] needs {CODE.relative_to(ROOT)}, which is missing; run `make {CODE.name}`"
        )
    return CODE


def main(out: Path) -> None:
    """Make the directory anew."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    with TemporaryDirectory() as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(part(lock, direct(project, ["aws"])), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--target", str(out), "--no-compile", "--no-deps", "--require-hashes"]
        command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", PYTHON]
        for platform in _PLATFORMS:
            command += ["--platform", platform]
        subprocess.run([*command, "-r", str(requirements)], check=True)  # noqa: S603
    shutil.copytree(
        ROOT / "src" / "txfeatures",
        out / "txfeatures",
        ignore=shutil.ignore_patterns("__pycache__"),
    )


if __name__ == "__main__":
    typer.run(main)
