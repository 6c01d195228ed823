"""A replay that has drained, and whose local AWS still answers."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from kafka_local.ports import free_port

from tests.integration.conftest import Pipeline
from tests.notebooks.running import ENVIRONMENT
from tests.support.shared_data import RECORDING
from txfeatures.domain.features import RECORD_IDENTIFIER, minute_name, minute_start_s
from txfeatures.domain.model import MINUTE_S, Row
from txfeatures.process import aws
from txfeatures.process.clock import SystemClock
from txfeatures_local.demo.plan import Plan, Source
from txfeatures_local.demo.stack import Stack
from txfeatures_local.demo.training_set import write_training_set
from txfeatures_local.source.replay_clock import ClockMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a replay has left.

    Attributes:
        rows: The final rows, read from the online store as the demo exports them.
        training_set: The file that the demo writes at its end.
        environment: How a notebook reaches the stores, and the moment it looks back from.
    """

    rows: Sequence[Row]
    training_set: Path
    environment: Mapping[str, str]


@pytest.fixture(scope="module")
def installed() -> None:
    if not (ENVIRONMENT / "installed").exists():
        pytest.skip(f"there is no {ENVIRONMENT.name}; `make notebooks` makes it and runs this")


@pytest.fixture(scope="module")
def replay(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    plan = Plan(source=Source.REPLAY, file=RECORDING, clock=ClockMode.POLL, port=free_port())
    stack = Stack(
        plan=plan,
        directory=tmp_path_factory.mktemp("stack"),
        report=lambda _: None,
        clock=SystemClock(),
        stop=threading.Event(),
    )
    with stack, closing(Pipeline(stack)) as pipeline:
        pipeline.drain()
        stack.parts["poller"].stop()  # or its clock would run on, minute after minute
        rows = pipeline.rows()
        told = {k: v for k, v in stack.environment().items() if k.startswith("AWS_")}
        path = tmp_path_factory.mktemp("demo") / "training-set.parquet"
        with environment(told), httpx.Client(trust_env=False) as client:
            write_training_set(path, rows, aws_url=stack.addresses.aws, client=client)
        end_s = minute_start_s(str(rows[-1][RECORD_IDENTIFIER])) + MINUTE_S
        yield Replay(
            rows=rows,
            training_set=path,
            environment={**told, "TXFEATURES_AT": minute_name(end_s)},
        )


@contextmanager
def environment(told: Mapping[str, str]) -> Iterator[None]:
    """Let this process use the AWS that ``told`` names; tests of others run after this one."""
    with pytest.MonkeyPatch.context() as environ:
        for name, value in told.items():
            environ.setenv(name, value)
        aws._session.cache_clear()
        yield
    aws._session.cache_clear()
