import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

from deploy.release import distributions
from deploy.release.errors import ReleaseError
from tests.support.shared_data import REPOSITORY


def wheel_of(path: Path, *names: str) -> Path:
    with ZipFile(path, "w") as files:
        for name in names:
            files.writestr(name, "")
    return path


def test_a_wheel_of_the_packages_that_it_should_install_is_accepted(tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path / "a.whl", "one/x.py", "two/x.py", "a-1.dist-info/METADATA")
    distributions.check(wheel, frozenset({"one", "two"}))


@pytest.mark.parametrize("stray", ["services/x.py", "txfeatures_local/x.py", "conftest.py"])
def test_a_wheel_that_installs_another_name_is_refused(tmp_path: Path, stray: str) -> None:
    wheel = wheel_of(tmp_path / "a.whl", "one/x.py", stray)
    name = stray.partition("/")[0]
    with pytest.raises(ReleaseError, match=rf"a\.whl installs .*\b{name}\b"):
        distributions.check(wheel, frozenset({"one"}))


def test_a_wheel_without_one_of_its_packages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="installs one, and should install one, two"):
        distributions.check(wheel_of(tmp_path / "a.whl", "one/x.py"), frozenset({"one", "two"}))


@pytest.mark.parametrize("stray", ["txfeatures/__init__.py", "txfeatures/domain/x.py"])
def test_a_portion_of_a_package_installs_nothing_beside_it(tmp_path: Path, stray: str) -> None:
    wheel = wheel_of(tmp_path / "a.whl", "txfeatures/client/x.py", stray)
    with pytest.raises(ReleaseError, match=r"a\.whl installs txfeatures, txfeatures/client"):
        distributions.check(wheel, frozenset({"txfeatures/client"}))


def test_every_project_of_the_repository_is_built() -> None:
    found = {
        str(path.parent.relative_to(REPOSITORY))
        for pattern in (
            *("pyproject.toml", "src/*/pyproject.toml"),
            "packages/*/pyproject.toml",
            "clients/*/pyproject.toml",
        )
        for path in REPOSITORY.glob(pattern)
    }
    assert found == set(distributions.CONTENTS)


@pytest.mark.integration
@pytest.mark.parametrize("folder", distributions.CONTENTS)
def test_an_sdist_builds_the_wheel_that_a_release_promises(folder: str, tmp_path: Path) -> None:
    wheel = distributions.build(REPOSITORY, folder, tmp_path)
    with ZipFile(wheel) as files:
        names = files.namelist()
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert not any("test" in Path(name).parts or name.endswith(".md") for name in names)


def test_a_project_that_cannot_be_built_is_named(tmp_path: Path) -> None:
    project = tmp_path / "packages/kafka-local"
    project.mkdir(parents=True)
    shutil.copy(REPOSITORY / "packages/kafka-local/pyproject.toml", project)
    with pytest.raises(ReleaseError, match="kafka-local can't be built"):
        distributions.build(tmp_path, "packages/kafka-local", tmp_path)
