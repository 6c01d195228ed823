import pytest
from botocore.exceptions import ReadTimeoutError

from tests.support.modelled_aws import error
from txfeatures.doctor.calls import granted
from txfeatures.domain.errors import FatalError, TransientError


def test_a_call_that_succeeds_has_no_code() -> None:
    with granted("s3:GetObject", "b/archive/*") as answered:
        pass
    assert answered.code == ""


def test_an_expected_refusal_proves_the_right() -> None:
    with granted("s3:GetObject", "b/archive/*", expected=("NoSuchKey",)) as answered:
        raise error("GetObject", "NoSuchKey", "none")
    assert answered.code == "NoSuchKey"


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "403"])
def test_a_missing_right_is_named(code: str) -> None:
    with (
        pytest.raises(FatalError, match=r"the right s3:GetObject on b/archive/\* is missing"),
        granted("s3:GetObject", "b/archive/*", expected=("NoSuchKey",)),
    ):
        raise error("GetObject", code, "arn of somebody")


def test_a_refusal_for_another_reason_is_quoted() -> None:
    with (
        pytest.raises(FatalError, match=r"glue refused the call \(InvalidInput: wrong\)"),
        granted("glue:GetTable", "t"),
    ):
        raise error("GetTable", "InvalidInput", "wrong")


def test_an_aws_that_does_not_answer_is_no_missing_right() -> None:
    with (
        pytest.raises(TransientError, match="sagemaker has not answered in time"),
        granted("sagemaker:GetRecord", "g"),
    ):
        raise ReadTimeoutError(endpoint_url="https://aws")
