"""The library on a broker that requires a new login every few seconds."""

from pathlib import Path

import pytest

from microbatch_support.needs import NEEDS_BROKER

pytest.importorskip("kafka_local", reason=NEEDS_BROKER)

from kafka_local import EmbeddedKafka, ListenerSecurity
from kafka_local.certificates import Authority

from microbatch_support.cluster import Job
from microbatch_support.waiting import wait_until

pytestmark = pytest.mark.integration

PASSWORD = "hidden-password"
SESSION_S = 3


def test_a_worker_logs_in_again_and_again_and_still_sends_everything_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    security = ListenerSecurity(
        key_and_certificate=authority.broker(),
        users={"worker": PASSWORD},
        session_ms=SESSION_S * 1000,
    )
    login = {
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": str(authority.file),
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "worker",
        "sasl.password": PASSWORD,
    }
    with EmbeddedKafka(tmp_path / "kafka", security=security) as broker:
        work = Job(broker.bootstrap_servers, "secured", tmp_path, librdkafka=login)
        work.put(4_000)
        with work.worker(max_poll_records=100, pace_s=0.05) as worker:  # as long as three sessions
            wait_until(work.is_done)
            assert worker.stop() == 0
            assert PASSWORD not in worker.output.read_text()
        work.check_exactly_once()
