from typing import Any

import msgspec
import pytest

from featurestore_local.controls import Controls
from featurestore_local.faults import FaultPlan
from featurestore_local.wire import Request


@pytest.fixture
def plan() -> FaultPlan:
    return FaultPlan()


@pytest.fixture
def controls(plan: FaultPlan) -> Controls:
    return Controls(plan, flush=lambda: 7)


def ask(controls: Controls, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    answer = controls(Request(method=method, path=path, body=body))
    return answer.status, msgspec.json.decode(answer.body)


def test_faults_are_ordered_and_forgotten(controls: Controls, plan: FaultPlan) -> None:
    order = b'[{"operation":"PutRecord","error":"X","times":2}]'
    assert ask(controls, "POST", "/_local/faults", order)[0] == 200
    assert plan.next("PutRecord") is not None
    assert ask(controls, "GET", "/_local/counts") == (200, {"PutRecord": 1})
    assert ask(controls, "DELETE", "/_local/faults")[0] == 200
    assert plan.next("PutRecord") is None


@pytest.mark.parametrize("body", [b"", b"{}", b'[{"operation":"PutRecord"}]'])
def test_an_order_that_can_not_be_read_says_why(controls: Controls, body: bytes) -> None:
    status, answer = ask(controls, "POST", "/_local/faults", body)
    assert status == 400
    assert answer["message"].startswith("Send a JSON list of faults: ")


def test_a_flush_returns_how_many_rows_are_left(controls: Controls) -> None:
    assert ask(controls, "POST", "/_local/flush") == (200, {"rows_left": 7})


def test_an_unknown_path_is_not_found(controls: Controls) -> None:
    assert ask(controls, "GET", "/_local/faults")[0] == 404
