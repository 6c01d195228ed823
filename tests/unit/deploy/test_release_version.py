import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.release import version
from deploy.release.errors import ReleaseError
from tests.support.shared_data import REPOSITORY
from txfeatures import __version__


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of every file that has the version."""
    for name in version.PLACES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def project(folder: str) -> dict[str, Any]:
    text = (REPOSITORY / folder / "pyproject.toml").read_text(encoding="utf-8")
    read: dict[str, Any] = tomllib.loads(text)["project"]
    return read


def test_every_place_has_the_version_of_the_code() -> None:
    assert version.current(REPOSITORY) == __version__


def test_the_project_reads_its_version_from_the_code() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["hatch"]["version"]["path"] == version.SOURCE


def test_a_new_version_is_written_to_every_place_and_nowhere_else(tree: Path) -> None:
    places = dict(version.versions(tree))
    before = {name: (tree / name).read_text() for name in version.PLACES}
    version.write(tree, "7.8.9")
    assert dict(version.versions(tree)) == dict.fromkeys(places, "7.8.9")
    version.write(tree, __version__)
    assert {name: (tree / name).read_text() for name in version.PLACES} == before


def test_places_that_differ_are_listed(tree: Path) -> None:
    (tree / version.SOURCE).write_text('__version__ = "7.8.9"\n')
    with pytest.raises(
        ReleaseError, match=r"differs: .*__init__\.py:1 has 7\.8\.9, .*Chart\.yaml:"
    ):
        version.current(tree)


def test_a_place_that_lost_the_version_is_named(tree: Path) -> None:
    (tree / "deploy/helm/txfeatures/Chart.yaml").write_text("version: latest\n")
    with pytest.raises(ReleaseError, match=r"Chart\.yaml has no version"):
        version.current(tree)


@pytest.mark.parametrize("text", ["", "1.2", "v1.2.3", "1.2.3rc1", "1.2.3\n"])
def test_a_version_is_three_numbers(text: str) -> None:
    with pytest.raises(ReleaseError, match=r"VERSION=1\.2\.3"):
        version.checked(text)


def test_compose_and_chart_repeat_the_version_nowhere_else() -> None:
    chart = yaml.safe_load((REPOSITORY / "deploy/helm/txfeatures/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    for name in ("docker-compose.yml", "deploy/helm/txfeatures/Chart.yaml"):
        known = sum(place.startswith(f"{name}:") for place, _ in version.versions(REPOSITORY))
        assert (REPOSITORY / name).read_text().count(__version__) == known


def test_libraries_are_required_in_the_version_that_is_here() -> None:
    requirements = [
        requirement
        for folder in (".", "packages/faust-microbatch", "packages/featurestore-local")
        for extra in project(folder)["optional-dependencies"].values()
        for requirement in extra
    ]
    found = {}
    for name in ("faust-microbatch", "featurestore-local", "kafka-local"):
        pins = {r.partition("==")[2] for r in requirements if r.startswith(name) and "==" in r}
        found[name] = pins
    assert found == {name: {project(f"packages/{name}")["version"]} for name in found}
