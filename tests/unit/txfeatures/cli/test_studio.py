import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.studio_account import StudioAccount
from txfeatures.cli import studio
from txfeatures.domain.errors import SettingsError


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> StudioAccount:
    account = StudioAccount()
    monkeypatch.setattr("txfeatures.studio.account.connect", lambda *_: account.account)
    monkeypatch.setattr("txfeatures.process.aws.require_credentials", lambda _: None)
    monkeypatch.setattr(studio, "configure_logging", lambda *_, **__: None)
    monkeypatch.setattr(studio, "stop_on_signals", lambda _: None)
    monkeypatch.setattr(studio, "SystemClock", lambda: account.clock)
    return account


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "rights.json"
    file.write_text(json.dumps({"Version": "2012-10-17", "Statement": []}))
    return file


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(studio.studio, arguments, input=typed, catch_exceptions=False)


def create(policy: Path) -> Result:
    where = ("--vpc", "vpc-1", "--subnet", "subnet-1", "--subnet", "subnet-2")
    return run("create", *where, "--policy", str(policy))


def test_a_created_studio_is_listed_and_its_address_is_printed(
    aws: StudioAccount, policy: Path
) -> None:
    created = create(policy)
    assert created.exit_code == 0
    [domain] = aws.domains
    assert created.stdout.splitlines()[-1] == (
        f"txfeatures is in service: https://{domain}.studio.eu-west-1.sagemaker.aws"
    )
    listed = [json.loads(line) for line in run("status", "--json").stdout.splitlines()]
    assert {"kind": "domain", "name": domain, "status": "InService"} in listed
    assert [one["kind"] for one in listed] == ["space", "user profile", "domain", "role"]


def test_a_dry_run_lists_what_would_go_and_deletes_nothing(
    aws: StudioAccount, policy: Path
) -> None:
    create(policy)
    before = list(aws.changes)
    lines = run("delete", "--dry-run").stdout.splitlines()
    assert "would delete role txfeatures-studio (exists)" in lines
    assert aws.changes == before


def test_a_deletion_asks_first(aws: StudioAccount, policy: Path) -> None:
    create(policy)
    before = list(aws.changes)
    refused = run("delete", typed="n\n")
    assert refused.exit_code == 1
    assert aws.changes == before
    agreed = run("delete", typed="y\n")
    assert agreed.exit_code == 0
    assert agreed.stdout.splitlines()[-1] == "Nothing of txfeatures is left in this account."
    assert aws.is_empty()


def test_an_empty_account_is_reported_without_a_question(aws: StudioAccount) -> None:
    assert run("status").stdout == "Nothing of txfeatures is in this account.\n"
    assert run("delete").stdout == "Nothing of txfeatures is left in this account.\n"
    assert aws.changes == []


def test_a_missing_policy_is_named_with_the_command_that_writes_one(
    aws: StudioAccount, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"none\.json can't be read .*python -m deploy\.iam"):
        create(tmp_path / "none.json")
    assert aws.changes == []


def test_a_policy_that_is_no_json_is_named(aws: StudioAccount, tmp_path: Path) -> None:
    file = tmp_path / "rights.json"
    file.write_text("{")
    with pytest.raises(SettingsError, match=r"rights\.json is no JSON"):
        create(file)
    assert aws.changes == []
