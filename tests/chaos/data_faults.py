"""Faults of the source, of its data, of the stores and of the disk."""

import hashlib
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.chaos.common import NoEffectError, count_in_log, frozen, wait
from tests.chaos.stand import PARTITIONS, Stand
from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import RAW
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.kafka.source import committed_ends
from txfeatures_local.source.faults import JSON, Answer, Fault, truncated_json

ONLINE, OFFLINE, READS = "online", "archive", "reads"
_OPERATIONS = {
    ONLINE: ("PutRecord", "BatchWriteRecord"),
    OFFLINE: ("s3:PUT",),
    READS: ("BatchGetRecord",),
}
_MANY = 1_000_000
HANG_S = 8.0
"""Longer than a call waits for its answer."""

FORWARD_S, BACK_S, WILD_S = 200, -3600, 30 * 86_400
SPOOL_BYTES = 256 * 1024
POISONED_RECORDS = 1_500
DEAD = "dead letters"
LIMIT = "TXF_DEDUP_DEAD_LETTER_LIMIT"
RAISED_LIMIT, USUAL_LIMIT = "100000", "1000"
PASSING_S = 120.0
FUTURE = 3


def sink(stand: Stand, victim: str, lasts_s: float, *, error: str, s3_error: str = "") -> str:
    """All calls of a store end with an error, by the local AWS's plan of faults."""
    operations = _OPERATIONS[victim]
    code = s3_error if victim == OFFLINE and s3_error else error
    stand.controls.forget()
    stand.controls.order(
        *(
            {"operation": name, "error": code, "times": _MANY}
            | ({"hang_s": HANG_S} if code == "hang" else {})
            | ({"processed": 1} if code == "unprocessed" else {})
            for name in operations
        )
    )
    try:
        wait(stand, lasts_s)
        met = sum(map(stand.controls.calls, operations))
    finally:
        stand.controls.forget()
    if not met:
        raise NoEffectError("no call was made meanwhile")
    return f"{met} calls ended with {code}"


def partial_writes(stand: Stand, victim: str, lasts_s: float) -> str:
    """The writers are stopped until rows of several minutes wait, which then are taken in part."""
    names = stand.services("fs_writer")
    stand.controls.forget()
    stand.controls.order(
        {"operation": "BatchWriteRecord", "error": "unprocessed", "processed": 1, "times": _MANY}
    )
    try:
        with frozen(*map(stand.pid, names)):
            wait(stand, lasts_s)
        wait(stand, HANG_S)
        met = stand.controls.calls("BatchWriteRecord")
    finally:
        stand.controls.forget()
    if not met:
        raise NoEffectError("no batch was written")
    return f"{met} batches were taken in part"


def source_error(stand: Stand, victim: str, lasts_s: float, *, fault: Fault) -> str:
    """All polls are answered with an error."""
    switch = stand.source.switch
    before = switch.met
    with _answering(stand, fault):
        wait(stand, lasts_s)
    if switch.met == before:
        raise NoEffectError("nobody polled")
    return f"{switch.met - before} polls met it"


def source_truncated(stand: Stand, victim: str, lasts_s: float) -> str:
    """All polls are answered with the first half of the JSON; its last element is cut."""

    def cut(good: bytes) -> Answer:
        answer = truncated_json(good)
        stand.cut.add(hashlib.sha256(cut_element(answer.body)).hexdigest())
        return answer

    return source_error(stand, victim, lasts_s, fault=cut)


def cut_element(body: bytes) -> bytes:
    """Return the last element of an answer that ends within it."""
    return body[body.rfind(b',{"') + 1 :]


def source_hang(stand: Stand, victim: str, lasts_s: float) -> str:
    """The source takes requests and answers none."""
    before = stand.source.hung
    stand.source.answers.clear()
    try:
        wait(stand, lasts_s)
    finally:
        stand.source.answers.set()
    if stand.source.hung == before:
        raise NoEffectError("nobody polled")
    return f"{stand.source.hung - before} polls hung"


def clock_step(stand: Stand, victim: str, lasts_s: float, *, step_s: int) -> str:
    """The source's clock is off by so little, or behind, that pollers go on."""
    before = stand.source.misdated
    stand.source.clock_error_s = step_s
    try:
        wait(stand, lasts_s)
    finally:
        stand.source.clock_error_s = 0
    if stand.source.misdated == before:
        raise NoEffectError("nobody polled")
    return f"{stand.source.misdated - before} answers were off by {step_s} s"


def clock_wild(stand: Stand, victim: str, lasts_s: float) -> str:
    """The source's clock is off by days, and pollers refuse its answers."""
    with _answering(stand, stale):
        before = count_in_log(stand, victim, "clock_jump")
        clock_step(stand, victim, lasts_s, step_s=WILD_S)
        refused = count_in_log(stand, victim, "clock_jump") - before
    if not refused:
        raise NoEffectError("the poller took the answers")
    return f"answers off by {WILD_S} s were refused"


def poison(stand: Stand, victim: str, lasts_s: float) -> str:
    """All that the source shows is poison."""
    load = stand.source.load
    before = len(stand.source.ledger.ids("poison"))
    usual, load.poison_share = load.poison_share, 1.0
    try:
        wait(stand, lasts_s)
    finally:
        load.poison_share = usual
    shown = len(stand.source.ledger.ids("poison")) - before
    if not shown:
        raise NoEffectError("nothing was shown")
    return f"{shown} pieces of poison were shown"


def future(stand: Stand, victim: str, lasts_s: float) -> str:
    """A few transactions are dated in a year."""
    before = len(stand.source.ledger.ids("future"))
    stand.source.load.future += FUTURE
    wait(stand, lasts_s)
    shown = len(stand.source.ledger.ids("future")) - before
    if not shown:
        raise NoEffectError("nothing was shown")
    return f"{shown} transactions were dated in a year"


def poison_in_raw(stand: Stand, victim: str, lasts_s: float) -> str:
    """Another producer fills raw with poison: dedup stops loudly until its limit is raised."""
    since, partition = stand.clock.monotonic(), stand.draw.randrange(PARTITIONS)
    bodies = [
        f"no transaction {stand.seed} {since} {number}".encode()
        for number in range(POISONED_RECORDS)
    ]
    time_ms = int(stand.source.feed_time_s * 1000)
    with closing(KafkaSink(stand.inside, client_id="stranger")) as sink_:
        sink_.publish(
            [
                OutgoingRecord(
                    topic=RAW,
                    key=b"stranger",
                    value=body,
                    timestamp_ms=time_ms,
                    partition=partition,
                )
                for body in bodies
            ]
        )
    stand.strangers.update(hashlib.sha256(body).hexdigest() for body in bodies)

    def stopped() -> list[str]:
        return [
            e.words
            for e in stand.endings
            if e.at_s >= since and e.name.startswith(victim) and e.code > 0 and DEAD in e.words
        ]

    stand.wait_until(lambda: bool(stopped()), f"{victim} stopping")
    _with_limit(stand, victim, RAISED_LIMIT)
    _wait_until_read(stand, victim)
    _with_limit(stand, victim, USUAL_LIMIT)
    return f"{len(bodies)} records; {victim} stopped {len(stopped())} times: {stopped()[0]}"


def spool_disk_full(stand: Stand, victim: str, lasts_s: float) -> str:
    """Kafka is away, and then the disk of the poller's spool is full."""
    failed = "failed: "
    before = count_in_log(stand, victim, failed)
    most = stand.parts[victim].log.stat().st_size + SPOOL_BYTES
    pid = stand.pid(victim)
    usual = resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    for proxy in stand.proxies.all:
        stand.proxies.cut(proxy)
    try:
        stand.wait_until(lambda: count_in_log(stand, victim, failed) > before, "a full disk")
        # Polls are given up from now on; what they showed must be shown again.
        with _answering(stand, stale):
            wait(stand, lasts_s)
            refused = count_in_log(stand, victim, failed) - before
            resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
            for proxy in stand.proxies.all:
                stand.proxies.heal(proxy)
            wait(stand, lasts_s)
    finally:
        for proxy in stand.proxies.all:
            stand.proxies.heal(proxy)
    return f"{refused} polls were refused by the disk"


def stale(good: bytes) -> Answer:
    """Answer well, with nothing new."""
    return Answer(status=200, content_type=JSON, body=good)


@contextmanager
def _answering(stand: Stand, fault: Fault) -> Iterator[None]:
    stand.source.switch.fault = fault
    try:
        yield
    finally:
        stand.source.switch.fault = None


def _with_limit(stand: Stand, service: str, limit: str) -> None:
    for name in stand.services(service):
        if name not in stand.held:
            stand.restart(name, **{LIMIT: limit})


def _wait_until_read(stand: Stand, group: str) -> None:
    end = committed_ends(stand.inside, RAW)
    with closing(KafkaAdmin(stand.inside)) as admin:

        def is_read() -> bool:
            try:
                committed = admin.committed(group, RAW)
            except TransientError:
                return False
            return all(committed.get(number, 0) >= offset for number, offset in end.items())

        stand.wait_until(is_read, f"{group} reading on", limit_s=PASSING_S)
