import threading
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.support.scripted_aws import Aws, answer, scripted_aws
from txfeatures.feature_store.codec import to_record
from txfeatures.feature_store.errors import Failure
from txfeatures.feature_store.retries import Retries
from txfeatures.process import aws as txf_aws
from txfeatures.process.clock import ManualClock
from txfeatures.process.settings import AwsSettings

SETTINGS = AwsSettings(timeout_s=0.2)
THROTTLED = Failure(meaning="retry", code="ThrottlingException", message="slow down")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with scripted_aws(monkeypatch) as script:
        yield script


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def retries(clock: ManualClock) -> Retries:
    return Retries(clock=clock, stop=threading.Event())


def put(retries: Retries) -> None:
    client = retries.attach(txf_aws.feature_store(SETTINGS))
    client.put_record(FeatureGroupName="g", Record=to_record({"tx_minute": "m"}))


def test_pauses_double_up_to_a_limit_and_end(retries: Retries, clock: ManualClock) -> None:
    pauses = []
    for attempt in range(1, 8):
        before_s = clock.monotonic()
        assert retries.pause(attempt, THROTTLED)
        pauses.append(clock.monotonic() - before_s)
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0])
    assert not retries.pause(8, THROTTLED)


@pytest.mark.parametrize(("status", "code"), [(400, "ThrottlingException"), (503, "Unavailable")])
def test_a_client_repeats_a_failure_that_may_pass(
    aws: Aws, retries: Retries, clock: ManualClock, status: int, code: str
) -> None:
    answer(aws, status, code)
    with pytest.raises(ClientError, match=code):
        put(retries)
    assert len(aws.calls) == 8
    assert clock.monotonic() == pytest.approx(22.6)


def test_a_client_repeats_a_call_that_is_not_answered(aws: Aws, clock: ManualClock) -> None:
    aws.hangs = threading.Event()
    with pytest.raises(ReadTimeoutError):
        put(Retries(clock=clock, stop=threading.Event(), attempts=2))
    assert len(aws.calls) == 2


def test_a_client_does_not_repeat_a_refusal_nor_a_success(aws: Aws, retries: Retries) -> None:
    answer(aws, 400, "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        put(retries)
    aws.status, aws.headers, aws.body = 200, {}, b""
    put(retries)
    assert len(aws.calls) == 2


def test_a_stop_ends_the_repeating(aws: Aws, retries: Retries) -> None:
    answer(aws, 400, "ThrottlingException")
    retries.stop.set()
    with pytest.raises(ClientError, match="Throttling"):
        put(retries)
    assert len(aws.calls) == 1
