from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from txfeatures import cli
from txfeatures.bootstrap import BootstrapSettings, Say
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import FEATURES
from txfeatures.process import aws
from txfeatures.process.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """An entry point that needs not be installed."""

    name: str
    command: Any

    def load(self) -> Any:
        if isinstance(self.command, Exception):
            raise self.command
        return self.command


def install(monkeypatch: pytest.MonkeyPatch, *plugins: Plugin) -> None:
    def entry_points(*, group: str) -> list[Plugin]:
        assert group == "txfeatures.commands"
        return list(plugins)

    monkeypatch.setattr(cli, "entry_points", entry_points)


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


def test_a_command_whose_packages_are_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(
        monkeypatch,
        Plugin(name="demo", command=ModuleNotFoundError("No module named 'rich'")),
        Plugin(name="hello", command=hello),
    )
    app = cli.create_app()
    assert CliRunner().invoke(app, ["hello"]).exit_code == 0
    assert CliRunner().invoke(app, ["demo"]).exit_code == 2


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
