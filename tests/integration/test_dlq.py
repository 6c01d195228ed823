"""``txfeatures dlq`` as a process, on a real broker."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Producer
from kafka_local import EmbeddedKafka

from tests.support.declared import FEATURES
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from txfeatures.dead_letters.replay import TRANSACTIONAL_ID
from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError, InvalidMessageError
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import DEDUPED, FEED, RAW, TOPICS
from txfeatures.history.ledger import ledger
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.kafka.snapshot import Snapshot, newest_timestamp_ms
from txfeatures.kafka.transactions import TransactionalSink
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import KafkaSettings

pytestmark = pytest.mark.integration

FEED_S = 1_729_296_000
PARTITIONS = 2
CLOCK = SystemClock()


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaSettings]:
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        with closing(KafkaAdmin(settings)) as admin:
            admin.create(TOPICS, partitions=PARTITIONS, replication=1, keep_forever=True)
        yield settings


def environment(kafka: KafkaSettings) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("TXF_")}
    return {**inherited, "TXF_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}


def dlq(kafka: KafkaSettings, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "txfeatures", "dlq", *arguments],
        env=environment(kafka),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


def output(kafka: KafkaSettings, *arguments: str) -> str:
    done = dlq(kafka, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def hash_of(number: int) -> bytes:
    return b"%02x" % number + b"0" * 62


def tx(number: int) -> bytes:
    return b'{"hash":"%s","time":%d,"fee":7}' % (hash_of(number), FEED_S)


def poller_letter(value: bytes, partition: int, reason: str = "bad_fee") -> OutgoingRecord:
    return OutgoingRecord(
        topic="raw.dlq",
        partition=partition,
        key=None,
        value=value,
        timestamp_ms=FEED_S * 1000,
        headers=(("txf-poller", b"p1"), *wire.error_headers(InvalidMessageError(reason, "why"))),
    )


def letter(topic: str, partition: int, key: bytes, value: bytes) -> OutgoingRecord:
    source = Record(
        topic=topic,
        partition=partition,
        offset=41,
        key=key,
        value=value,
        timestamp_ms=FEED_S * 1000,
        headers=(("traceparent", b"00"),),
    )
    return wire.dead_letter(source, InvalidMessageError("bad_time", "why"))


def publish(kafka: KafkaSettings, *records: OutgoingRecord) -> None:
    with closing(KafkaSink(kafka, client_id="test")) as sink:
        sink.publish(records)


def records(kafka: KafkaSettings, topic: str) -> list[Record]:
    return list(Snapshot(kafka, topic).read(clock=CLOCK, progress=lambda _: None))


def test_poison_is_listed_shown_and_replayed_once(kafka: KafkaSettings, tmp_path: Path) -> None:
    worker = Worker("dedup", "dedup-0", kafka, tmp_path)
    worker.start()
    try:
        poison = b"\x1b[2J{\xff"
        publish(
            kafka,
            *(poller_letter(tx(number), number % PARTITIONS) for number in range(5)),
            poller_letter(poison, 1, reason="not_utf8"),
            raw(b"no hash", tx(9)),
            raw(hash_of(3), tx(3), later_ms=500),  # the good version of one that came broken
        )
        wait_until(lambda: len(records(kafka, "raw.dlq")) == 7)
        assert "txfeatures dlq list --topic raw.dlq" in worker.log()
        look_at(kafka, poison)

        dry = output(kafka, "replay", "--dry-run")
        left = "1 left: this release can't read them (not_json 1).\n"
        assert dry == f"6 to raw would be sent; {left}"
        assert dlq(kafka, "replay").returncode == 1, "nobody confirmed it"
        assert len(records(kafka, RAW)) == 2

        assert "6 to raw sent" in output(kafka, "replay", "--yes")
        again = output(kafka, "replay", "--yes")
        assert again == f"no dead letters would be sent; 6 had been replayed before; {left}"
        publish(kafka, *(wire.tick(RAW, n, FEED_S * 1000 + 900) for n in range(PARTITIONS)))
        wait_until(lambda: sum(map(wire.is_tick, records(kafka, DEDUPED))) == PARTITIONS)
    finally:
        worker.kill()
    counted = Counter(r.key for r in records(kafka, DEDUPED) if not wire.is_tick(r))
    assert counted == {hash_of(number): 1 for number in (0, 1, 2, 3, 4, 9)}
    stage = ledger(kafka, clock=CLOCK)[0]
    assert (stage.taken, stage.given, stage.duplicates, stage.dead) == (8, 6, 1, 1)


def raw(key: bytes, value: bytes, *, later_ms: int = 0) -> OutgoingRecord:
    return OutgoingRecord(topic=RAW, key=key, value=value, timestamp_ms=FEED_S * 1000 + later_ms)


def look_at(kafka: KafkaSettings, poison: bytes) -> None:
    listed = output(kafka, "list")
    assert "raw.dlq  bad_fee   5        0" in listed
    assert "\x1b" not in listed
    found = [json.loads(line) for line in output(kafka, "list", "--json").splitlines()]
    assert Counter(one["reason"] for one in found) == {"bad_fee": 5, "not_utf8": 1, "bad_key": 1}
    assert {one["from"] for one in found if one["reason"] != "bad_key"} == {"p1"}
    place = next(
        (str(one["partition"]), str(one["offset"])) for one in found if one["reason"] == "not_utf8"
    )
    assert dlq(kafka, "show", "raw.dlq", *place, "--raw").stdout == poison
    shown = output(kafka, "show", "raw.dlq", *place)
    assert "00000000  1b 5b 32 4a 7b ff" in shown
    assert "txf-reason" in shown


def interrupted_replay(
    kafka: KafkaSettings, number: signal.Signals
) -> tuple["subprocess.Popen[str]", str]:
    """Start a slow replay and send it a signal once it has sent records; return its errors too."""
    replay = subprocess.Popen(
        [sys.executable, "-m", "txfeatures", "dlq", "replay", "--yes", "--rate", "5"],
        env=environment(kafka),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(records(kafka, RAW)) > 0)
    replay.send_signal(number)
    _, errors = replay.communicate()
    return replay, errors


def test_a_replay_that_is_killed_half_way_sends_each_dead_letter_once(
    kafka: KafkaSettings,
) -> None:
    count = 60
    publish(kafka, *(poller_letter(tx(n), n % PARTITIONS) for n in range(count)))
    interrupted_replay(kafka, signal.SIGKILL)
    before = len(records(kafka, RAW))
    assert 0 < before < count

    left = count - before
    assert f"{left} to raw sent; {before} had been replayed" in output(kafka, "replay", "--yes")
    assert Counter(r.value for r in records(kafka, RAW)) == {tx(n): 1 for n in range(count)}


def test_a_stopped_replay_ends_between_transactions_and_says_how_to_go_on(
    kafka: KafkaSettings,
) -> None:
    publish(kafka, *(poller_letter(tx(n), 0) for n in range(60)))
    replay, errors = interrupted_replay(kafka, signal.SIGTERM)
    assert replay.returncode == 1
    sent = len(records(kafka, RAW))
    assert f"stopped after {sent} records; run it again to continue" in errors


def test_filters_choose_what_is_replayed_and_records_go_back_to_their_partition(
    kafka: KafkaSettings,
) -> None:
    row = wire.encode_row(
        {f.name: "2024-10-19 00:00:00" if f.type == "String" else 1 for f in FEATURES}
    )
    publish(
        kafka,
        letter(DEDUPED, 0, b"k0", tx(1)),
        letter(DEDUPED, 1, b"k1", tx(2)),
        letter(DEDUPED, 1, b"k1", tx(3)),
        letter("aggregated", 1, b"minute", row),
        poller_letter(tx(4), 0),
    )
    one = ("--topic", "deduped.dlq", "--partition", "1", "--offset", "1")
    assert output(kafka, "replay", "--yes", *one).endswith("1 to deduped sent.\n")
    assert [(r.partition, r.key, r.value) for r in records(kafka, DEDUPED)] == [(1, b"k1", tx(3))]
    late = ("--since", "2024-10-19T00:00:01Z")
    assert output(kafka, "replay", "--yes", *late) == "no dead letters would be sent.\n"
    reason = ("--reason", "bad_time", "--limit", "2")
    assert "2 to deduped sent" in output(kafka, "replay", "--yes", *reason)
    output(kafka, "replay", "--yes", *reason)
    assert Counter(r.value for r in records(kafka, DEDUPED)) == {tx(n): 1 for n in (1, 2, 3)}
    [sent] = records(kafka, "aggregated")
    assert (sent.partition, sent.key, sent.value) == (1, b"minute", row)
    assert dict(sent.headers) == {
        "traceparent": b"00",
        "txf-replayed-from": b"aggregated.dlq/1/0",
    }
    assert records(kafka, RAW) == []


def test_an_open_transaction_hides_no_mark_that_stands_behind_it(kafka: KafkaSettings) -> None:
    publish(kafka, poller_letter(tx(1), 0))
    other = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": "other"})
    other.init_transactions(30)
    other.begin_transaction()
    other.produce("raw.dlq", value=b"open", partition=0)
    other.flush(30)
    publish(kafka, poller_letter(tx(2), 0))

    read = Snapshot(kafka, "raw.dlq").read(clock=CLOCK, progress=lambda _: None)
    assert next(read).value == tx(1)
    other.abort_transaction(30)
    assert [record.value for record in read] == [tx(2)]


def test_of_two_replays_at_once_the_newer_goes_on(kafka: KafkaSettings) -> None:
    with closing(TransactionalSink(kafka, transactional_id=TRANSACTIONAL_ID)) as older:
        older.publish([poller_letter(tx(1), 0)])
        with closing(TransactionalSink(kafka, transactional_id=TRANSACTIONAL_ID)) as newer:
            with pytest.raises(FatalError, match=r"was not committed .* run the command again"):
                older.publish([poller_letter(tx(2), 0)])
            newer.publish([poller_letter(tx(3), 0)])
    assert [r.value for r in records(kafka, "raw.dlq")] == [tx(1), tx(3)]


def test_failures_are_one_sentence(kafka: KafkaSettings) -> None:
    assert output(kafka, "list") == "There are no such dead letters.\n"
    assert newest_timestamp_ms(kafka, FEED) is None
    publish(kafka, wire.tick(FEED, 0, 5_000))
    assert newest_timestamp_ms(kafka, FEED) == 5_000
    gone = dlq(kafka, "show", "raw.dlq", "0", "7")
    assert gone.returncode == 1
    assert gone.stderr.decode() == (
        "txfeatures: raw.dlq has no dead letter in partition 0 at offset 7; "
        "`txfeatures dlq list` shows those there are\n"
    )
    wide = dlq(kafka, "list", "--partition", "5")
    assert wide.stderr.decode() == ("txfeatures: topic raw.dlq has 2 partitions, none is 5\n")
    with pytest.raises(FatalError, match="Kafka has no topic nowhere; run `txfeatures bootstrap`"):
        Snapshot(kafka, "nowhere")
    with pytest.raises(FatalError, match="Kafka has no topic nowhere; run `txfeatures bootstrap`"):
        newest_timestamp_ms(kafka, "nowhere")
