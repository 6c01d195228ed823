import json
import shlex
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.support.declared import FEATURES
from txfeatures import __version__, cli
from txfeatures.bootstrap import BootstrapSettings, Say
from txfeatures.cli import group
from txfeatures.cli.catalogue import CATALOGUE
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process import aws
from txfeatures.process.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """An entry point that needs not be installed."""

    name: str
    command: Any = None

    def load(self) -> Any:
        if isinstance(self.command, Exception):
            raise self.command
        return self.command or getattr(import_module(f"txfeatures.cli.{self.name}"), self.name)


def install(monkeypatch: pytest.MonkeyPatch, *plugins: Plugin) -> None:
    def entry_points(*, group: str) -> list[Plugin]:
        assert group == "txfeatures.commands"
        return [*plugins, Plugin(name="bootstrap"), Plugin(name="features")]

    monkeypatch.setattr(group, "entry_points", entry_points)


def hello() -> None:
    """Say hello."""
    typer.echo("hello")


def test_the_declared_features_are_printed_one_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    result = CliRunner().invoke(cli.create_app(), ["features"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[f.name, f.type] for f in FEATURES]
    assert all(line.endswith(f.description) for line, f in zip(lines, FEATURES, strict=True))


def test_without_a_command_the_help_names_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Plugin(name="hello", command=hello))
    result = CliRunner().invoke(cli.create_app(), [])
    assert all(name in result.output for name in ("bootstrap", "features", "hello"))


def test_a_command_of_another_package_can_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Plugin(name="hello", command=hello))
    assert CliRunner().invoke(cli.create_app(), ["hello"]).stdout == "hello\n"


def test_a_group_of_another_package_can_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    group = typer.Typer()
    group.command()(hello)
    group.command("other")(hello)
    install(monkeypatch, Plugin(name="group", command=group))
    assert CliRunner().invoke(cli.create_app(), ["group", "hello"]).stdout == "hello\n"


def test_a_command_whose_packages_are_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(
        monkeypatch,
        Plugin(name="other", command=ModuleNotFoundError("No module named 'rich'")),
        Plugin(name="hello", command=hello),
    )
    app = cli.create_app()
    assert CliRunner().invoke(app, ["hello"]).exit_code == 0
    assert CliRunner().invoke(app, ["other"]).exit_code == 2


@pytest.mark.parametrize("error", [FatalError("do this next"), TransientError("try later")])
def test_a_failure_is_one_sentence_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail() -> None:
        raise error

    install(monkeypatch, Plugin(name="fail", command=fail))
    monkeypatch.setattr("sys.argv", ["txfeatures", "fail"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == f"txfeatures: {error}\n"


def test_a_command_that_succeeds_exits_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch)
    monkeypatch.setattr("sys.argv", ["txfeatures", "features"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    assert capsys.readouterr().out


def test_bootstrap_refuses_to_start_with_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch)
    monkeypatch.setenv("TXF_BOOTSTRAP_PARTITIONS", "0")
    monkeypatch.setattr("sys.argv", ["txfeatures", "bootstrap"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert "TXF_BOOTSTRAP_PARTITIONS='0'" in capsys.readouterr().err


def test_bootstrap_makes_what_the_settings_say_and_prints_what_it_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def make(settings: BootstrapSettings, *, runtime: Runtime, say: Say) -> None:
        assert not runtime.stop.is_set()
        say(f"{settings.partitions} partitions")

    command = import_module("txfeatures.cli.bootstrap")  # the package has a function of that name
    monkeypatch.setattr("txfeatures.bootstrap.bootstrap", make)
    monkeypatch.setattr(command, "configure_logging", lambda *_, **__: None)
    monkeypatch.setattr(command, "stop_on_signals", lambda _: None)
    monkeypatch.setattr(aws, "require_credentials", lambda _: None)
    monkeypatch.setenv("TXF_BOOTSTRAP_PARTITIONS", "9")
    install(monkeypatch)
    result = CliRunner().invoke(cli.create_app(), ["bootstrap"])
    assert (result.exit_code, result.stdout) == (0, "9 partitions\n")


def commands() -> dict[str, Any]:
    """Return every command and subcommand by its whole name."""
    found = typer.main.get_command(cli.create_app())
    assert isinstance(found, group.Subcommands)
    top = {name: found.get_command(None, name) for name in found.list_commands(None)}
    inner = {
        f"{name} {child}": each
        for name, command in top.items()
        for child, each in getattr(command, "commands", {}).items()
    }
    return top | inner


def test_every_command_is_in_the_catalogue_with_its_first_sentence() -> None:
    found = {name: command for name, command in commands().items() if " " not in name}
    assert found.keys() == CATALOGUE.keys()
    for name, command in found.items():
        assert " ".join(command.help.partition("\n\n")[0].split()) == CATALOGUE[name].summary


def test_every_help_has_an_example_that_can_be_parsed_and_the_exit_codes() -> None:
    for name, command in commands().items():
        result = CliRunner().invoke(cli.create_app(), [*name.split(), "--help"])
        assert result.exit_code == 0, name
        assert "2 wrong usage" in " ".join(result.stdout.split())
        example = command.epilog.partition("Example:\n")[2].partition("\n")[0].strip()
        words = shlex.split(example.removeprefix('eval "$(').removesuffix(')"'))
        arguments = words[words.index("txfeatures") + 1 :]
        while arguments[0].startswith("--"):
            del arguments[0]
        assert " ".join(arguments).startswith(name)
        if not hasattr(command, "commands"):
            command.make_context(name, arguments[len(name.split()) :], resilient_parsing=False)


def test_every_command_that_prints_a_result_can_print_json() -> None:
    without = {
        name
        for name, command in commands().items()
        if not hasattr(command, "commands")
        and not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == {
        "demo", "studio create", "studio delete",  # they print their progress
        "features schema",  # it is JSON
    }  # fmt: skip


def test_an_unexpected_error_is_one_sentence_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise KeyError("x")

    install(monkeypatch, Plugin(name="fail", command=fail))
    monkeypatch.setattr("sys.argv", ["txfeatures", "fail"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    err = capsys.readouterr().err
    assert err.startswith("txfeatures: a defect (KeyError: 'x'); please report it")
    assert len(err.splitlines()) == 1


def test_the_version_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    result = CliRunner().invoke(cli.create_app(), ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"txfeatures {__version__}\n")


def test_features_are_printed_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    result = CliRunner().invoke(cli.create_app(), ["features", "--json"])
    assert [json.loads(line)["name"] for line in result.stdout.splitlines()] == [
        feature.name for feature in FEATURES
    ]
