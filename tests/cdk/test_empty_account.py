"""Each command of the tutorial from an empty account to a row, as far as it can be known here."""

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deploy.cdk.settings import IMAGES, Settings, load
from docs.generate import undriven_api
from tests.cdk.assembly import STAGES, Assembly, Template, run
from tests.cdk.test_templates import charted
from tests.chart.helm import EKS, binary, template
from tests.chart.helm import run as run_program
from tests.support.command_line import check_aws
from tests.support.shared_data import REPOSITORY

pytestmark = pytest.mark.integration

PAGE = REPOSITORY / "docs" / "tutorials" / "empty-account.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
LINES = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]

CDK_VERBS = {"bootstrap", "deploy", "destroy"}


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the stage, changed as the page asks."""
    example = tomllib.loads(STAGES["production"].read_text())
    text = STAGES["production"].read_text().partition("[studio]")[0]
    [changes] = [block for kind, block in BLOCKS if kind == "toml"]
    changed = tomllib.loads(changes)
    kept = [line for line in text.splitlines() if line.partition(" =")[0] not in changed]
    path = tmp_path_factory.mktemp("page") / "mine.toml"
    path.write_text("\n".join(kept) + "\n" + changes)
    assert example.keys() - tomllib.loads(path.read_text()).keys() == {"repository", "studio"}
    return path


@pytest.fixture
def settings(mine: Path) -> Settings:
    return load(mine)


@pytest.fixture
def system(production: Assembly) -> Template:
    """The template of the stage; with the pipeline it has the same names."""
    return production.template("System")


Check = Callable[[list[str], Mapping[str, str], pytest.FixtureRequest], None]


def make(arguments: list[str], _: Mapping[str, str], __: pytest.FixtureRequest) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in arguments)


def copy(arguments: list[str], _: Mapping[str, str], __: pytest.FixtureRequest) -> None:
    source, target = arguments
    assert (REPOSITORY / source) == STAGES["production"]
    assert target == "mine.toml"


def aws(arguments: list[str], _: Mapping[str, str], request: pytest.FixtureRequest) -> None:
    check_aws(arguments)
    settings: Settings = request.getfixturevalue("settings")
    system: Template = request.getfixturevalue("system")
    registry: Template = request.getfixturevalue("production").template("Registry")
    given = dict(pairwise(arguments))
    match arguments[:2]:
        case ["sts", "get-caller-identity"]:
            pass
        case ["ecr", "describe-images"]:
            repositories = registry.of("AWS::ECR::Repository").values()
            names = {found["Properties"]["RepositoryName"] for found in repositories}
            assert given["--repository-name"] in names
        case ["eks", "update-kubeconfig"]:
            assert given["--name"] == settings.name == system.only("AWS::EKS::Cluster")["Name"]
        case ["logs", "tail"]:
            groups = system.of("AWS::Logs::LogGroup").values()
            assert arguments[2] in [found["Properties"].get("LogGroupName") for found in groups]
        case ["cloudwatch", "get-dashboard"]:
            dashboard = system.only("AWS::CloudWatch::Dashboard")
            assert given["--dashboard-name"] == dashboard["DashboardName"]
        case _:
            raise AssertionError(f"nothing is known of {arguments}")


def npx(arguments: list[str], _: Mapping[str, str], request: pytest.FixtureRequest) -> None:
    program, verb, *rest = arguments
    assert program == "aws-cdk@2"
    assert verb in CDK_VERBS
    settings: Settings = request.getfixturevalue("settings")
    if verb == "bootstrap":
        assert rest == [f"aws://{settings.account}/{settings.region}"]
        return
    *stacks, option, app = rest
    assert option == "--app"
    development: Assembly = request.getfixturevalue("development")
    manifest: dict[str, Any] = json.loads((development.directory / "manifest.json").read_text())
    made = {
        name
        for name, found in manifest["artifacts"].items()
        if found["type"] == "aws:cloudformation:stack"
    }
    assert set(stacks) <= made
    assert verb != "destroy" or set(stacks) == made
    python, *words = shlex.split(app)
    assert (REPOSITORY / python).exists()
    assert words[:3] == ["-m", "deploy.cdk", "mine.toml"]
    known = run("-m", "deploy.cdk", "--help").stdout
    options = [word for word in words[3:] if word.startswith("--")]
    assert all(option in known for option in options)


def shell(
    arguments: list[str], environment: Mapping[str, str], request: pytest.FixtureRequest
) -> None:
    [script] = arguments  # tests/unit/deploy/test_cdk_steps.py runs it
    text = (REPOSITORY / script).read_text()
    needed = set(re.findall(r"\$\{?([A-Z]+)\b(?![:}]*-)", text))
    assert needed <= environment.keys()
    settings: Settings = request.getfixturevalue("settings")
    host = f"{settings.account}.dkr.ecr.{settings.region}.amazonaws.com"
    assert environment["REGISTRY"] == host
    assert f"build/images/{environment['ARCHITECTURE']}.json" in PAGE.read_text()
    machines = request.getfixturevalue("system").only("AWS::EKS::Nodegroup")
    assert "ARM" in machines["AmiType"]
    assert environment["ARCHITECTURE"] == "arm64"


def helm(arguments: list[str], _: Mapping[str, str], request: pytest.FixtureRequest) -> None:
    verb, release, *options = arguments
    chart = charted(request.getfixturevalue("system"), "txfeatures")["Properties"]
    given = dict(pairwise(options))
    assert (verb, release) == ("test", chart["Release"])
    assert given["--namespace"] == chart["Namespace"]
    known = run_program([binary("helm"), verb, "--help"]).stdout
    assert all(option in known for option in options if option.startswith("--"))


def kubectl(arguments: list[str], _: Mapping[str, str], request: pytest.FixtureRequest) -> None:
    option, namespace, verb, service, ports, ampersand = arguments
    chart = charted(request.getfixturevalue("system"), "txfeatures")["Properties"]
    assert (option, namespace) == ("--namespace", chart["Namespace"])
    assert (verb, ampersand) == ("port-forward", "&")
    kind, name = service.split("/")
    spec = template(EKS).get(kind.capitalize(), name)["spec"]
    assert int(ports.partition(":")[2]) in {port["port"] for port in spec["ports"]}


def curl(arguments: list[str], _: Mapping[str, str], __: pytest.FixtureRequest) -> None:
    [url] = arguments
    paths = {getattr(route, "path", None) for route in undriven_api().routes}
    assert url.removeprefix("http://127.0.0.1:8080") in paths
    assert any(" 8080:" in line for line in LINES)


CHECKS: Mapping[str, Check] = {
    "make": make,
    "cp": copy,
    "aws": aws,
    "npx": npx,
    "sh": shell,
    "helm": helm,
    "kubectl": kubectl,
    "curl": curl,
}


@pytest.mark.parametrize("line", LINES)
def test_a_command_fits_what_is_deployed(line: str, request: pytest.FixtureRequest) -> None:
    words = shlex.split(line.replace("$(git rev-parse HEAD)", "REVISION"))
    environment = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    CHECKS[words[0]](words[1:], environment, request)


def test_the_page_goes_all_the_way_and_back() -> None:
    commands = [" ".join(shlex.split(line)[:3]) for line in LINES]
    deployed, destroyed = (
        next(n for n, c in enumerate(commands) if c == f"npx aws-cdk@2 {verb}")
        for verb in ("deploy", "destroy")
    )
    tested = next(n for n, command in enumerate(commands) if command.startswith("helm test"))
    assert deployed < tested < destroyed == len(commands) - 1


def test_the_stage_of_the_page_takes_the_digests_of_the_build(mine: Path, tmp_path: Path) -> None:
    digests = tmp_path / "arm64.json"
    digests.write_text(json.dumps(dict.fromkeys(IMAGES, "sha256:" + "0" * 64)))
    settings = load(mine, digests)
    assert settings.digests
    assert (settings.repository, settings.studio, settings.keep_data) == (None, None, False)
    assert len(settings.zones) == 3
