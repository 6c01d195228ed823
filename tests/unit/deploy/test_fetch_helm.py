import hashlib
import io
import os
import platform
import re
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from deploy.helm import fetch_helm
from tests.support.shared_data import REPOSITORY

PROGRAM = b"#!/bin/sh\necho v4.1\n"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Return a wheel of the layer's shape: a zip in a tar in a zip."""
    layer = io.BytesIO()
    with ZipFile(layer, "w") as files:
        files.writestr("helm/helm", PROGRAM)
        files.writestr("kubectl/kubectl", b"another")
    bundle = io.BytesIO()
    with tarfile.open(fileobj=bundle, mode="w:gz") as files:
        entry = tarfile.TarInfo("package/lib/layer.zip")
        entry.size = len(layer.getvalue())
        files.addfile(entry, io.BytesIO(layer.getvalue()))
    path = tmp_path / "wheels/a_layer-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with ZipFile(path, "w") as files:
        files.writestr("a_layer/_jsii/layer@1.0.jsii.tgz", bundle.getvalue())
        about = "a_layer-1.0.dist-info"
        files.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: a-layer\nVersion: 1.0\n")
        files.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    return path


@pytest.fixture
def linux(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))


def lock(folder: Path, digest: str) -> Path:
    path = folder / "tools.lock"
    path.write_text(f"a-layer==1.0 --hash=sha256:{digest}\n")
    return path


@pytest.mark.usefixtures("linux")
def test_a_wheel_of_the_locked_hash_gives_its_helm(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "tools/helm"
    fetch_helm.fetch(lock(tmp_path, hashlib.sha256(wheel.read_bytes()).hexdigest()), target)
    assert target.read_bytes() == PROGRAM
    assert os.access(target, os.X_OK)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.usefixtures("linux")
def test_a_wheel_of_another_hash_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "tools/helm"
    with pytest.raises(fetch_helm.HelmUnavailableError, match=r"could not download tools\.lock"):
        fetch_helm.fetch(lock(tmp_path, "0" * 64), target)
    assert not target.exists()


def test_another_machine_is_sent_to_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    with pytest.raises(fetch_helm.HelmUnavailableError, match="arm64: install helm"):
        fetch_helm.fetch(tmp_path / "unread.lock", tmp_path / "helm")


def test_every_tool_is_locked_by_version_and_hash() -> None:
    text = (REPOSITORY / "requirements-tools.lock").read_text().replace("\\\n", "")
    entries = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+ +--hash=sha256:[0-9a-f]{64}", entry)
