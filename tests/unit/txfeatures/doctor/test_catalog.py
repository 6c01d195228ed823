from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.modelled_aws import error, modelled_client
from txfeatures.archive.catalog import table
from txfeatures.doctor.catalog import CatalogChecks
from txfeatures.doctor.examination import examine
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings

GONE = error("GetTable", "EntityNotFoundException", "none")
NAMED = {"OfflineStoreConfig": {"DataCatalogConfig": {"Database": "d", "TableName": "t"}}}


def run(
    monkeypatch: pytest.MonkeyPatch,
    *,
    found: Any = None,
    workgroup: Any = None,
    group: Any = NAMED,
) -> dict[str, tuple[str, str]]:
    is_error = isinstance(workgroup, Exception)
    answers: dict[str, Any] = {
        "get_table": {"Table": table("txfeatures")} if found is None else found,
        "get_work_group": workgroup
        if is_error
        else {"WorkGroup": {"Name": "primary"} | (workgroup or {})},
    }

    def handler(name: str) -> Any:
        def answer(_: dict[str, Any]) -> Any:
            if isinstance(answers[name], Exception):
                raise answers[name]
            return answers[name]

        return answer

    for service in ("glue", "athena"):
        client = modelled_client(service, handler, "eu-west-1")
        monkeypatch.setattr(aws, service, lambda _, client=client: client)
    checks = CatalogChecks(AwsSettings(), SimpleNamespace(found=group)).checks()  # type: ignore[arg-type]
    return {each.check: (each.state, each.sentence) for each in examine(checks)}


def test_the_tables_of_bootstrap_and_its_workgroup_are_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = run(monkeypatch, workgroup={"Configuration": {"EnforceWorkGroupConfiguration": True}})
    assert {state for state, _ in found.values()} == {"ok"}
    assert found["offline store's table"][1] == "d.t"
    assert found["workgroup"][1] == "primary is enabled; it decides where results go"


def test_tables_that_are_gone_are_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(monkeypatch, found=GONE)
    assert found["archive's table"] == (
        "failure",
        "there is no table txfeatures.transactions in Glue; run `txfeatures bootstrap`",
    )
    assert found["offline store's table"][0] == "failure"


def test_a_table_of_an_earlier_release_or_another_bucket_is_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older: Any = table("txfeatures")
    (dropped,) = older["StorageDescriptor"]["Columns"][-1:]
    older["StorageDescriptor"]["Columns"] = older["StorageDescriptor"]["Columns"][:-1]
    state, sentence = run(monkeypatch, found={"Table": older})["archive's table"]
    assert (state, f"lacks the columns {dropped['Name']};" in sentence) == ("failure", True)
    other = {"Table": table("txfeatures-2")}
    state, sentence = run(monkeypatch, found=other)["archive's table"]
    assert (state, "s3://txfeatures-2/" in sentence) == ("failure", True)


def test_a_group_without_a_table_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, group={})["offline store's table"][0] == "skipped"


@pytest.mark.parametrize(
    ("workgroup", "words"),
    [
        ({"State": "DISABLED"}, "primary is disabled; enable it"),
        (
            error("GetWorkGroup", "InvalidRequestException", "WorkGroup is not found"),
            "Athena has no workgroup primary; set TXF_AWS_WORKGROUP",
        ),
    ],
)
def test_a_workgroup_that_can_not_be_used_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, workgroup: Any, words: str
) -> None:
    state, sentence = run(monkeypatch, workgroup=workgroup)["workgroup"]
    assert state == "failure"
    assert words in sentence
