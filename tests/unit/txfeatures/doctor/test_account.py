from email.utils import formatdate
from typing import Any

import pytest

from tests.support.modelled_aws import error, modelled_client
from txfeatures.doctor.account import AccountChecks, quotas, refusal, skew
from txfeatures.doctor.examination import examine
from txfeatures.feature_store.errors import Failure
from txfeatures.process import aws
from txfeatures.process.clock import ManualClock
from txfeatures.process.settings import AwsSettings

REGION = "eu-west-1"


class Sts:
    """STS, whose answers and refusals carry the date ``now``."""

    class meta:  # noqa: N801 - boto3's name
        region_name = REGION

    def __init__(self, now: float, code: str = "") -> None:
        self._headers = {"HTTPHeaders": {"date": formatdate(now, usegmt=True)}}
        self._code = code

    def get_caller_identity(self) -> dict[str, Any]:
        if self._code:
            refused = error("GetCallerIdentity", self._code, "no")
            refused.response["ResponseMetadata"] |= self._headers  # type: ignore[typeddict-item]
            raise refused
        return {"Account": "1" * 12, "Arn": "arn:us", "ResponseMetadata": self._headers}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "require_credentials", lambda _: None)


def run(
    monkeypatch: pytest.MonkeyPatch, sts: Sts, pages: dict[str, float] | None = None
) -> dict[str, tuple[str, str]]:
    def list_quotas(params: dict[str, Any]) -> dict[str, Any]:
        assert params == {"ServiceCode": "sagemaker"}
        return {"Quotas": [{"QuotaName": n, "Value": v} for n, v in (pages or {}).items()]}

    client = modelled_client(
        "service-quotas", {"list_service_quotas": list_quotas}.__getitem__, REGION
    )
    monkeypatch.setattr(aws, "sts", lambda _: sts)
    monkeypatch.setattr(aws, "service_quotas", lambda _: client)
    checks = AccountChecks(AwsSettings(), ManualClock(now=1_000_000.0)).checks()
    return {each.check: (each.state, each.sentence) for each in examine(checks)}


def test_the_caller_its_clock_and_the_quotas_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(monkeypatch, Sts(1_000_000.0), {"PutRecord TPS": 10_000, "Studio domains": 1})
    assert found["identity"] == ("ok", "arn:us in region eu-west-1")
    assert found["clock"] == ("ok", "this machine is 0 s behind AWS")
    assert found["quotas"] == ("ok", "PutRecord TPS: 10000")


def test_a_refusal_is_dated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(monkeypatch, Sts(999_000.0, "SignatureDoesNotMatch"))
    assert {name: state for name, (state, _) in found.items()} == {
        "credentials": "ok", "identity": "failure", "clock": "failure", "quotas": "skipped"
    }  # fmt: skip
    assert "1000 s ahead of AWS, which refuses" in found["clock"][1]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", "have expired (ExpiredToken); renew them"),
        ("InvalidClientTokenId", "does not know these credentials"),
        ("SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY and this machine's clock"),
        ("Throttling", "does not name the caller (Throttling: why)"),
    ],
)
def test_a_refusal_of_the_credentials_has_the_next_step(code: str, words: str) -> None:
    assert words in str(refusal(Failure.named(code, "why")))


@pytest.mark.parametrize(
    ("ahead_s", "state"),
    [(None, "skipped"), (0.0, "ok"), (-29.0, "ok"), (31.0, "warning"), (-301.0, "failure")],
)
def test_a_clock_is_judged_by_what_aws_accepts(ahead_s: float | None, state: str) -> None:
    assert skew(ahead_s).state == state


def test_quotas_of_other_parts_of_sagemaker_are_left_out() -> None:
    assert quotas({"Studio domains": 1}).sentence == (
        "none of the 1 listed for SageMaker is of Feature Store"
    )
