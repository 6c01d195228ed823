"""`txfeatures.client` and `txfeatures` are found together however each is installed."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

from deploy.release import distributions
from tests.support.shared_data import REPOSITORY

SOURCES = REPOSITORY / "src"
CLIENT = REPOSITORY / "clients/python/src"
BOTH = (
    "import txfeatures, txfeatures.client as c; print(txfeatures.__version__, c.Features.__name__)"
)
ALONE = "import txfeatures.client as c; print(c.Features.__name__)"


def python(code: str, *paths: Path) -> str:
    """Return the output of ``code``, which finds the distributions in ``paths`` alone."""
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return subprocess.run(
        [sys.executable, "-S", "-c", code],  # -S: without the editable installs of this checkout
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), *libraries])},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    target = tmp_path_factory.mktemp("wheels")
    return {f: distributions.build(REPOSITORY, f, target) for f in (".", "clients/python")}


def unpack(wheel: Path, folder: Path) -> Path:
    with ZipFile(wheel) as files:
        files.extractall(folder)
    return folder


@pytest.mark.parametrize("paths", [(SOURCES, CLIENT), (CLIENT, SOURCES)])
def test_two_editable_installs_are_found_in_any_order(paths: tuple[Path, ...]) -> None:
    assert python(BOTH, *paths) == "0.1.0 Features"


def test_the_client_is_found_alone() -> None:
    assert python(ALONE, CLIENT) == "Features"


@pytest.mark.integration
def test_no_file_belongs_to_both_wheels(wheels: dict[str, Path]) -> None:
    main, client = ({*ZipFile(wheel).namelist()} for wheel in wheels.values())
    assert not main & client
    assert not any(name.startswith("txfeatures/client/") for name in main)
    assert "txfeatures/client/py.typed" in client


@pytest.mark.integration
def test_wheels_are_found_together_alone_and_beside_an_editable_install(
    wheels: dict[str, Path], tmp_path: Path
) -> None:
    together = unpack(wheels["clients/python"], unpack(wheels["."], tmp_path / "together"))
    client = unpack(wheels["clients/python"], tmp_path / "client")
    main = unpack(wheels["."], tmp_path / "main")
    assert python(BOTH, together) == "0.1.0 Features"
    assert python(ALONE, client) == "Features"
    assert python(BOTH, client, SOURCES) == "0.1.0 Features"
    assert python(BOTH, main, CLIENT) == "0.1.0 Features"
