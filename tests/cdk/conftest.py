"""Assemblies, which all workers of a run share."""

import fcntl
from collections.abc import Mapping

import pytest

from tests.cdk.assembly import STAGES, Assembly, Template, missing, synthesise


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Assembly]:
    if reason := missing():
        pytest.skip(reason)
    base = tmp_path_factory.getbasetemp()
    directory = (base.parent if base.name.startswith("popen-") else base) / "cdk"
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = directory / "done"
        if not done.exists():
            synthesise(directory)
            done.touch()
    return {stage: Assembly(directory=directory / stage) for stage in STAGES}


@pytest.fixture(params=list(STAGES))
def assembly(request: pytest.FixtureRequest, assemblies: Mapping[str, Assembly]) -> Assembly:
    return assemblies[request.param]


@pytest.fixture
def system(assembly: Assembly) -> Template:
    return assembly.template("System")


@pytest.fixture
def production(assemblies: Mapping[str, Assembly]) -> Assembly:
    return assemblies["production"]


@pytest.fixture
def development(assemblies: Mapping[str, Assembly]) -> Assembly:
    return assemblies["development"]
