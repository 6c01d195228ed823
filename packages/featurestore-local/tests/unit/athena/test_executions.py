import threading
from collections.abc import Callable, Iterator

import pytest

from featurestore_local.athena.errors import QueryError
from featurestore_local.athena.executions import Execution, Executions, Order, Outcome, read_order
from featurestore_local.clock import ManualClock, SystemClock
from featurestore_local.errors import AwsError

ORDER = Order(sql="SELECT 1", kind="DML", database="db", output="s3://b/x/")


class Runner:
    """Runs an order once it is released."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started = threading.Event()
        self.error: Exception | None = None
        self.stops = 0

    def __call__(self, execution: Execution) -> Outcome:
        execution.stop = self.stop
        self.started.set()
        self.gate.wait(10.0)
        if self.error is not None:
            raise self.error
        return Outcome(scanned_bytes=7)

    def stop(self) -> None:
        self.stops += 1
        self.gate.set()


@pytest.fixture
def runner() -> Runner:
    return Runner()


@pytest.fixture
def executions(runner: Runner) -> Iterator[Executions]:
    executions = Executions(runner, ManualClock())
    yield executions
    runner.gate.set()
    executions.close()


def ended(executions: Executions, query_id: str) -> Execution:
    clock, never = SystemClock(), threading.Event()
    deadline = clock.monotonic() + 10.0
    while (found := executions.get(query_id)).state in {"QUEUED", "RUNNING"}:
        assert clock.monotonic() < deadline
        clock.wait(never, 0.005)
    return found


def test_a_query_runs_and_succeeds(executions: Executions, runner: Runner) -> None:
    query_id = executions.submit(ORDER, None)
    runner.started.wait(10.0)
    assert executions.get(query_id).state == "RUNNING"
    runner.gate.set()
    described = ended(executions, query_id).described()
    assert described["Status"]["State"] == "SUCCEEDED"
    assert described["Statistics"]["DataScannedInBytes"] == 7
    assert described["ResultConfiguration"]["OutputLocation"] == f"s3://b/x/{query_id}.csv"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(QueryError("CODE", "why"), "CODE: why"), (ZeroDivisionError(), "GENERIC_INTERNAL_ERROR: Z")],
)
def test_an_error_fails_the_query_with_its_reason(
    executions: Executions, runner: Runner, error: Exception, reason: str
) -> None:
    runner.error = error
    runner.gate.set()
    status = ended(executions, executions.submit(ORDER, None)).described()["Status"]
    assert status["State"] == "FAILED"
    assert status["StateChangeReason"].startswith(reason)
    assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]


def test_a_running_query_is_cancelled_and_stays_so(executions: Executions, runner: Runner) -> None:
    query_id = executions.submit(ORDER, None)
    runner.started.wait(10.0)
    executions.cancel(query_id)
    executions.cancel(query_id)
    assert ended(executions, query_id).state == "CANCELLED"
    assert runner.stops >= 1


def test_a_queued_query_that_is_cancelled_never_runs(
    executions: Executions, runner: Runner
) -> None:
    ids = [executions.submit(ORDER, None) for _ in range(5)]  # one more than run at a time
    executions.cancel(ids[-1])
    assert executions.get(ids[-1]).state == "CANCELLED"
    runner.gate.set()
    assert [ended(executions, each).state for each in ids[:-1]] == ["SUCCEEDED"] * 4


def test_a_token_stands_for_one_query(executions: Executions) -> None:
    first = executions.submit(ORDER, "token")
    assert executions.submit(ORDER, "token") == first
    with pytest.raises(AwsError, match="Idempotent"):
        executions.submit(Order(sql="SELECT 2", kind="DML", database="", output=""), "token")
    assert [each.query_id for each in executions.newest()] == [first]


@pytest.mark.parametrize("look", [Executions.get, Executions.cancel])
def test_an_unknown_query_is_refused(
    executions: Executions, look: Callable[[Executions, str], object]
) -> None:
    with pytest.raises(AwsError, match="was not found"):
        look(executions, "nothing")


def test_an_order_is_read_from_the_request() -> None:
    params = {
        "QueryString": "SELECT ?",
        "QueryExecutionContext": {"Database": "DB"},
        "ExecutionParameters": ["1"],
    }
    order = read_order(params, kind="DML", output="s3://b")
    assert (order.database, order.parameters, order.workgroup) == ("db", ("1",), "primary")
    assert read_order({"QueryString": "x"}, kind="DML", output="").database == "default"
