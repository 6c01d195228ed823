"""The whole stack in one fixture."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from kafka_local.ports import free_port

from tests.support.declared import FEATURES
from txfeatures.domain.model import Record, Row
from txfeatures.kafka.source import KafkaSource, committed_ends
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import AwsSettings, KafkaSettings
from txfeatures_local.demo.drained import Drain, read_status
from txfeatures_local.demo.export import read_rows
from txfeatures_local.demo.plan import HOST, REGION, Plan, Source
from txfeatures_local.demo.stack import Stack
from txfeatures_local.source.endpoint import Status
from txfeatures_local.source.replay_clock import ClockMode

DRAIN_TIMEOUT_S = 400.0
LOOK_S = 0.2


class Pipeline:
    """A running stack that replays a recording, as the tests drive it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._clock = SystemClock()
        self._client = httpx.Client(timeout=5.0, trust_env=False)

    def status(self) -> Status:
        """How far the recording has been shown."""
        return read_status(self.stack.status_url, self._client)

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Look until ``is_true``; fail when it takes too long or a process has died."""
        deadline = self._clock.monotonic() + DRAIN_TIMEOUT_S
        while not is_true():
            self.stack.check()
            assert self._clock.monotonic() < deadline, "took too long"
            self._clock.wait(threading.Event(), LOOK_S)

    def drain(self) -> None:
        """Wait until everything has arrived."""
        drain = Drain(
            KafkaSettings(bootstrap_servers=self.stack.addresses.kafka),
            status=self.status,
            pollers=self.stack.plan.pollers,
        )
        with closing(drain):
            self.wait_until(drain.is_done)

    def restart(self, name: str) -> None:
        """End a service with SIGKILL and start it again."""
        self.stack.parts[name].kill()
        self.stack.parts[name].start()

    def rows(self) -> list[Row]:
        """The final rows, from the online store."""
        status = self.status()
        store = self.client("sagemaker-featurestore-runtime")
        return list(
            read_rows(
                store,
                AwsSettings().feature_group,
                first_s=(status.first_arrival_at or 0) - 24 * 3600,
                last_s=max(status.newest_time or 0, status.last_arrival_at or 0),
                features=FEATURES,
            )
        )

    def totals(self) -> dict[str, tuple[int, int]]:
        """Minute -> (transactions, sum of fees), from the online store."""
        return {
            str(row["tx_minute"]): (int(row["total_nb_trx_1min"]), int(row["total_fee_1min"]))
            for row in self.rows()
        }

    def records(self, topic: str) -> list[Record]:
        """Every record that stands in a topic now."""
        kafka = KafkaSettings(bootstrap_servers=self.stack.addresses.kafka)
        left = {part: end for part, end in committed_ends(kafka, topic).items() if end}
        found: list[Record] = []
        with closing(KafkaSource(kafka, [topic], group=f"test-{topic}")) as source:

            def has_all() -> bool:
                for record in source.poll(max_records=1000, timeout_s=0.5):
                    found.append(record)
                    if left.get(record.partition) == record.offset + 1:
                        del left[record.partition]
                return not left

            self.wait_until(has_all)
        return found

    def client(self, service: str) -> Any:
        """A plain boto3 client of the local AWS."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.stack.addresses.aws,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def get(self, path: str) -> httpx.Response:
        """Ask the api."""
        return self._client.get(f"http://{HOST}:{self.stack.plan.port}{path}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


StartPipeline = Callable[..., Pipeline]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartPipeline]:
    """Return a function that starts the stack on a recording; it is stopped after the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TXF_AWS_FEATURE_GROUP", raising=False)
        opened: list[Pipeline] = []

        def start(file: Path, *, clock: ClockMode = ClockMode.POLL, **options: object) -> Pipeline:
            plan = Plan(
                source=Source.REPLAY,
                file=file,
                clock=clock,
                port=free_port(),
                **options,  # type: ignore[arg-type]
            )
            stack = Stack(
                plan=plan,
                directory=tmp_path,
                report=lambda _: None,
                clock=SystemClock(),
                stop=threading.Event(),
            )
            stack.__enter__()
            opened.append(Pipeline(stack))
            return opened[-1]

        try:
            yield start
        finally:
            for pipeline in opened:
                pipeline.close()
                pipeline.stack.__exit__(None, None, None)
