"""A notebook, run as it is in an environment that has what notebooks need."""

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.shared_data import REPOSITORY

FOLDER = REPOSITORY / "notebooks"
ENVIRONMENT = REPOSITORY / ".venv-notebooks"
COMMAND = (ENVIRONMENT / "bin" / "python", "-m", "jupyter", "execute")
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What a notebook has shown.

    Attributes:
        images: How many plots.
        said: The value of the expression that was asked for at its end.
    """

    images: int
    said: Any


def execute(
    name: str, expression: str, *, folder: Path, environment: Mapping[str, str]
) -> Executed:
    """Run a notebook, and one cell more that says ``expression``, which JSON can hold.

    Args:
        name: The notebook's file.
        expression: Of names that the notebook defines.
        folder: For everything that it writes.
        environment: What it is told; nothing else of AWS or txfeatures reaches it.
    """
    notebook = json.loads((FOLDER / name).read_text())
    notebook["cells"].append(
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "asked",
            "metadata": {},
            "outputs": [],
            "source": f"import json\n\nprint(json.dumps({expression}))",
        }
    )
    path = folder / name
    path.write_text(json.dumps(notebook))
    with socket.create_server(("127.0.0.1", 0)) as outside:
        done = subprocess.run(
            [*COMMAND, "--inplace", f"--timeout={TIMEOUT_S}", name],
            cwd=folder,
            env={**_inherited(), **_private(folder), **_only_loopback(outside), **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        outside.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come: no telemetry, no download
            outside.accept()
    assert done.returncode == 0, done.stderr
    cells = json.loads(path.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    images = [output for output in outputs if "image/png" in output.get("data", {})]
    return Executed(images=len(images), said=json.loads("".join(outputs[-1]["text"])))


def _inherited() -> dict[str, str]:
    foreign = ("TXF", "AWS_", "PYTEST", "http_proxy", "https_proxy", "no_proxy")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def _private(folder: Path) -> dict[str, str]:
    names = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")
    # Beside the test's own folder: the fonts that matplotlib looks up serve all tests.
    return {name: str(folder.parent / name.lower()) for name in names}


def _only_loopback(outside: socket.socket) -> dict[str, str]:
    """Return what leads every call that is not to this machine to ``outside``."""
    host, port = outside.getsockname()
    proxy = f"http://{host}:{port}"
    return {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1,localhost"}
