"""The whole pipeline and the commands on a broker whose ACLs are exactly the declared rights."""

import gzip
import itertools
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from deploy.iam.declared import PROCESSES
from deploy.iam.kafka import REQUIRED, Acl
from tests.integration.history.commands import audited, command
from tests.integration.history.replay import final_rows, replayed
from tests.integration.rights.secured_stack import SecuredPipeline, secured_pipeline
from tests.support import oracle
from tests.support.acl_kafka import ADMINISTRATOR, Access
from tests.support.local_account import Controls
from tests.support.shared_data import RECORDING
from txfeatures.cli.dlq import dlq
from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError, TransientError
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import (
    AGGREGATED,
    ALIKE,
    DEDUPED,
    LATE,
    RAW,
    dead_letter_topic,
)
from txfeatures.history.expired import READERS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.kafka.snapshot import GROUP as DLQ_GROUP
from txfeatures.kafka.snapshot import Snapshot
from txfeatures.process import aws
from txfeatures.process.clock import SystemClock

pytestmark = pytest.mark.integration

IMPLIED = {"READ": {"DESCRIBE"}, "WRITE": {"DESCRIBE"}}
"""Operations that Kafka allows with another; MSK's IAM demands both."""

ASSIGNS_ONLY = ("tail-", DLQ_GROUP, "ends-")
"""Groups that are never joined: Kafka demands no right on them."""

LINES = 60

RUN = [n for n, p in PROCESSES.items() if p.kafka and not n.startswith("fs_writer-")]
"""The steps of fs_writer have the rights of the one process; see tests/unit/deploy/test_iam.py."""

TRANSACTION = json.dumps({"hash": "ab" * 32, "time": 1_729_335_000, "fee": 7}).encode()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of everything has left."""

    accesses: frozenset[Access]
    totals: dict[str, tuple[int, int]]
    expected: dict[str, tuple[int, int]]
    refused_by_aws: list[object]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    recording = tmp_path_factory.mktemp("recording") / "short.ndjson.gz"
    recording.write_bytes(gzip.compress(beginning(RECORDING)))
    with secured_pipeline(tmp_path_factory.mktemp("stack"), recording) as running:
        running.drain()
        totals = running.pipeline.totals()
        spoil(running)
        run_commands(running)
        return Outcome(
            accesses=frozenset(running.stack.kafka.accesses()),
            totals=totals,
            expected=oracle.minutes(recording),
            refused_by_aws=list(running.stack.aws.refused),
        )


def beginning(recording: Path) -> bytes:
    """Return the first lines of a recording: rights do not depend on its length."""
    with gzip.open(recording) as lines:
        return b"".join(itertools.islice(lines, LINES))


def spoil(running: SecuredPipeline) -> None:
    """Send what becomes a dead letter of each service, a late transaction, and old dead letters."""
    kafka = running.stack.kafka
    unreadable = [outgoing(topic, b"{") for topic in (DEDUPED, AGGREGATED)]
    unreadable.append(replace(outgoing(RAW, b"{"), key=b"no hash"))
    late = outgoing(DEDUPED, TRANSACTION.replace(b"1729335000", b"1629335000"))
    row = wire.encode_row(final_rows(replayed(RECORDING))[0])
    readable = [
        letter(topic, value)
        for topic, value in ((RAW, TRANSACTION), (DEDUPED, TRANSACTION), (AGGREGATED, row))
    ]
    with closing(KafkaSink(kafka.settings("poller"), client_id="poller", alike=ALIKE)) as sink:
        sink.publish([readable[0]])
    before = set_aside(running)
    with closing(KafkaSink(kafka.settings(ADMINISTRATOR), client_id="test")) as sink:
        sink.publish([*unreadable, late, *readable[1:]])
    expected = {topic: before[topic] + more for topic, more in SET_ASIDE.items()}

    def is_done() -> bool:
        with suppress(TransientError):  # a consumer may not know a partition yet
            return set_aside(running) == expected
        return False

    running.pipeline.wait_until(is_done)


SET_ASIDE = {
    LATE: 1,
    dead_letter_topic(RAW): 1,
    dead_letter_topic(DEDUPED): 2,
    dead_letter_topic(AGGREGATED): 2,
}


def set_aside(running: SecuredPipeline) -> dict[str, int]:
    """Return the number of committed records of each topic, but for the markers between them."""
    settings = running.stack.kafka.settings(ADMINISTRATOR)
    return {
        topic: len(list(Snapshot(settings, topic).read(clock=SystemClock(), progress=ignore)))
        for topic in SET_ASIDE
    }


def ignore(_: int) -> None: ...


def outgoing(topic: str, value: bytes) -> OutgoingRecord:
    return OutgoingRecord(
        topic=topic, key=b"ab" * 32, value=value, timestamp_ms=1_729_335_000_000, partition=0
    )


def letter(topic: str, value: bytes) -> OutgoingRecord:
    record = Record(
        topic=topic, partition=0, offset=1, key=b"ab" * 32, value=value,
        timestamp_ms=1_729_335_000_000,
    )  # fmt: skip
    return replace(
        wire.dead_letter(record, InvalidMessageError("planted", "by a test")), partition=0
    )


def run_commands(running: SecuredPipeline) -> None:
    counts = httpx.get(f"{running.stack.addresses.api}/v1/pipeline", timeout=20, trust_env=False)
    assert counts.status_code == 200, counts.text
    Controls(running.stack.addresses.aws).flush()
    with acting(running, "audit"):
        _, report = audited("--complete", "--kafka")
        assert report["stages"]
    with acting(running, "compact"):
        assert command("compact").exit_code == 0
    with acting(running, "dlq"):
        listed = CliRunner().invoke(dlq, ["list"])
        assert "planted" in listed.output
        sent = CliRunner().invoke(dlq, ["replay", "--yes"])
        assert sent.exit_code == 0, sent.output
    with acting(running, "doctor"), pytest.MonkeyPatch.context() as environ:
        environ.setenv("TXF_BOOTSTRAP_REPLICATION", "1")
        assert command("doctor", "--only", "kafka").exit_code == 0
    with closing(KafkaAdmin(running.stack.kafka.settings("keda"))) as admin:
        for topic, group in READERS:
            assert admin.committed(group, topic)
            assert admin.beginnings(topic)


@contextmanager
def acting(running: SecuredPipeline, process: str) -> Iterator[None]:
    """Let this process run a command with the login and the rights of ``process``."""
    with pytest.MonkeyPatch.context() as environ:
        for name, value in running.stack.environment_of(process).items():
            if name.startswith(("AWS_", "TXF_KAFKA_")):
                environ.setenv(name, value)
        aws._session.cache_clear()
        yield
    aws._session.cache_clear()


def test_the_rows_are_the_oracles(outcome: Outcome) -> None:
    assert outcome.totals
    assert outcome.totals == outcome.expected


def test_nothing_was_refused(outcome: Outcome) -> None:
    assert [access for access in outcome.accesses if not access.is_allowed] == []
    assert outcome.refused_by_aws == []


@pytest.mark.parametrize("name", RUN)
def test_a_process_needs_each_of_its_acls(outcome: Outcome, name: str) -> None:
    rights = PROCESSES[name].kafka
    assert rights
    every = list(rights.acls())
    spare = [acl for acl in every if not is_needed(acl, every, outcome.accesses, name)]
    assert [acl for acl in spare if not is_of_msk_alone(acl, every)] == []


def is_of_msk_alone(acl: Acl, every: list[Acl]) -> bool:
    """Return whether Kafka does not demand a right that MSK's IAM does."""
    beside = {each.action for each in every if each.name == acl.name}
    return (
        acl.action == "WriteDataIdempotently"
        or any(acl.action in REQUIRED.get(action, ()) for action in beside)
        or (acl.kind == "group" and acl.name.startswith(ASSIGNS_ONLY))
    )


def is_needed(acl: Acl, every: list[Acl], accesses: frozenset[Access], user: str) -> bool:
    others = [each for each in every if each != acl]
    return any(
        not any(allows(other, access) for other in others)
        for access in accesses
        if access.user == user
    )


def allows(acl: Acl, access: Access) -> bool:
    operation = "".join(f"_{c}" if c.isupper() else c for c in acl.operation).strip("_").upper()
    kinds = {"cluster": "Cluster", "topic": "Topic", "group": "Group"}
    names = access.name.startswith if acl.is_prefix else access.name.__eq__
    return (
        access.operation in {operation, *IMPLIED.get(operation, ())}
        and access.resource.replace("_", "") == kinds.get(acl.kind, "TransactionalId")
        and names(acl.resource)
    )
