import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support.memory_sink import MemorySink, body, ids, tx, tx_hash
from tests.support.scripted_source import Reply, ScriptedServer
from tests.support.shared_data import ERROR_BODIES, RECORDING
from txfeatures.archive.recording import read
from txfeatures.domain import wire
from txfeatures.domain.model import Heartbeat
from txfeatures.process.clock import ManualClock, SystemClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, run
from txfeatures_poller.main import build
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import HttpSource
from txfeatures_poller.spool import Spool

NOW_S = 1_729_334_941.0


class Poller:
    """The service as built, on a real HTTP source and a real spool; Kafka is a list."""

    def __init__(self, stack: ExitStack, server: ScriptedServer, spool_path: Path) -> None:
        self.sink = MemorySink()
        self.clock = ManualClock(NOW_S)
        self.server = server
        self.runtime = Runtime(metrics=Metrics("poller"), clock=self.clock)
        self.spool = stack.enter_context(Spool(spool_path))
        source = stack.enter_context(
            HttpSource(
                server.url,
                timeout_s=10.0,
                max_body_bytes=64 * 2**20,
                feed_clock="poll",
                clock=self.clock,
            )
        )
        steps = build(
            Settings(name="poller-0"),
            source=source,
            sink=self.sink,
            spool=self.spool,
            runtime=self.runtime,
            random=lambda: 0.0,
        )
        self.poll, self.drain = steps["poll"], steps["drain"]

    def see(self, *replies: Reply) -> None:
        """Poll once for each reply."""
        for reply in replies:
            self.server.replies = [reply]
            self.poll()

    def published(self) -> list[str]:
        return [id_ for id_ in ids(self.sink.of("raw")) if id_ != "tick"]

    def rejected(self) -> list[tuple[bytes | None, bytes | None]]:
        """Return value and reason of each record in the dead letter topic."""
        return [
            (record.value, wire.header(record.headers, wire.REASON_HEADER))
            for record in self.sink.of("raw.dlq")
        ]

    def heartbeats(self) -> list[Heartbeat]:
        return [wire.decode_heartbeat(record.value) for record in self.sink.of("feed")]


@pytest.fixture
def poller(server: ScriptedServer, tmp_path: Path) -> Iterator[Poller]:
    with ExitStack() as stack:
        yield Poller(stack, server, tmp_path / "spool.sqlite")


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (tx(9, hash=...), b"missing_hash"),
        (tx(9, fee=...), b"missing_fee"),
        (tx(9, time=...), b"missing_time"),
        (tx(9, fee="1000"), b"bad_fee"),
        (tx(9, fee=-1), b"bad_fee"),
        (tx(9, fee=2**63 + 1), b"bad_fee"),
        (b'{"hash": "\xff"}', b"not_utf8"),
        (tx(9, note="x").replace(b'"x"', b'"\\ud83d"'), b"not_json"),
        (tx(9, fee=17).replace(b"17", b"NaN"), b"not_json"),
        (tx(9)[:-1] + b"]", b"not_json"),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, b"too_deep"),
        (b"null", b"not_object"),
    ],
)
def test_poison_goes_to_the_dead_letters_byte_for_byte_once_and_its_neighbours_are_published(
    poller: Poller, poison: bytes, reason: bytes
) -> None:
    reply = Reply(body=body(tx(1), poison, tx(2)))
    poller.see(reply, reply)
    assert poller.published() == [tx_hash(1), tx_hash(2)]
    assert poller.rejected() == [(poison, reason)]


@pytest.mark.parametrize("time_s", [0, 253_402_300_799])
def test_a_transaction_dated_in_1970_or_9999_is_published_as_it_is(
    poller: Poller, time_s: int
) -> None:
    poller.see(Reply(body=body(tx(1, time=time_s))))
    [transaction, *_] = poller.sink.of("raw")
    assert transaction.value == tx(1, time=time_s)
    assert poller.rejected() == []


def test_a_hash_given_twice_with_two_fees_is_published_once_with_the_first(
    poller: Poller,
) -> None:
    reply = Reply(body=body(tx(1, fee=5), tx(1, fee=6)))
    poller.see(reply, reply)
    transactions = [record for record in poller.sink.of("raw") if record.key is not None]
    assert [record.value for record in transactions] == [tx(1, fee=5)]


def test_a_transaction_larger_than_any_yet_is_published(poller: Poller) -> None:
    big = tx(1, script="f" * 8_000_000)
    poller.see(Reply(body=body(big, tx(2))))
    assert poller.published() == [tx_hash(1), tx_hash(2)]
    assert poller.sink.of("raw")[0].value == big


def test_one_larger_than_a_record_costs_only_itself(poller: Poller) -> None:
    reply = Reply(body=body(tx(1, script="f" * 9_000_000), tx(2)))
    poller.see(reply, reply)
    assert poller.published() == [tx_hash(2)]
    [(value, reason)] = poller.rejected()
    assert (value, reason) == (None, b"too_large")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(body=body(tx(2))[:-20]), "not_json"),
        (Reply(body=b'{"txs":null}'), "wrong_shape"),
        (Reply(body=b"<html>Access denied</html>"), "html"),
        (Reply(status=429), "http_429"),
        (Reply(status=429, headers={"Retry-After": "30"}), "http_429"),
        (Reply(status=522, body=b"<html>522</html>"), "http_5xx"),
        (Reply(body=body(tx(2)), sent_bytes=30), "connection"),
    ],
)
def test_a_hostile_answer_costs_one_poll_and_nothing_else(
    poller: Poller, reply: Reply, outcome: str
) -> None:
    poller.see(Reply(body=body(tx(1))), reply, Reply(body=body(tx(2), tx(1))))
    assert poller.published() == [tx_hash(1), tx_hash(2)]
    assert [heartbeat.outcome for heartbeat in poller.heartbeats()] == ["ok", outcome, "ok"]


@pytest.mark.parametrize(
    ("headers", "next_poll_s"),
    [
        ({}, 1.0),
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": formatdate(NOW_S + 45, usegmt=True)}, 45.0),
        ({"Retry-After": "86400"}, 600.0),
    ],
)
def test_a_429_delays_the_next_poll_as_it_asks(
    poller: Poller, headers: dict[str, str], next_poll_s: float
) -> None:
    poller.see(Reply(status=429, headers=headers), Reply(body=body(tx(1))))
    assert poller.clock.monotonic() == pytest.approx(next_poll_s)
    assert poller.published() == [tx_hash(1)]


def test_a_recorded_answer_is_published_whole_and_byte_for_byte(poller: Poller) -> None:
    txs = [bytes(arrival.tx) for arrival in read(RECORDING)][:-101:-1]
    recorded = b'{"txs":[' + b",".join(txs) + b"]}"
    poller.see(Reply(body=recorded), Reply(body=recorded))
    assert poller.published() == [item["hash"] for item in json.loads(recorded)["txs"]]
    for record in poller.sink.of("raw"):
        assert record.value is None or record.value in recorded
    assert [(h.seen, h.new) for h in poller.heartbeats()] == [(100, 100), (100, 0)]


@pytest.mark.parametrize("status", [200, 429])
def test_every_recorded_error_costs_one_poll(poller: Poller, status: int) -> None:
    lines = ERROR_BODIES.read_bytes().splitlines()
    errors = [json.loads(line)["body"].encode() for line in lines]
    poller.see(*(Reply(status=status, body=error) for error in errors), Reply(body=body(tx(1))))
    assert [h.is_alive for h in poller.heartbeats()] == [False] * len(errors) + [True]
    assert poller.published() == [tx_hash(1)]


def test_a_restart_during_an_outage_of_kafka_sends_what_was_spooled_first(
    server: ScriptedServer, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        former = Poller(stack, server, tmp_path / "spool.sqlite")
        former.sink.room = 0
        former.see(Reply(body=body(tx(1))), Reply(body=body(tx(2), tx(1))))
        assert former.sink.records == []
    with ExitStack() as stack:
        poller = Poller(stack, server, tmp_path / "spool.sqlite")
        poller.see(Reply(body=body(tx(3), tx(2))))
        while poller.spool.size_bytes:
            poller.drain()
        assert poller.published() == [tx_hash(n) for n in (1, 2, 3, 2)]
        assert [heartbeat.poll_id for heartbeat in poller.heartbeats()] == [1, 2, 1]


def test_polls_and_drain_side_by_side_keep_the_order_through_outages(
    server: ScriptedServer, tmp_path: Path
) -> None:
    class Flickering(MemorySink):
        """Refuses two calls in three; stops the service when it has enough."""

        def partitions(self, topic: str) -> int:
            return 1

        def publish(self, records: object) -> None:
            assert isinstance(records, list | tuple)
            self.room = None if len(self.calls) % 3 == 2 else len(self.calls) % 2
            super().publish(records)
            if len(self.published()) >= 60:
                stop.set()

        def published(self) -> list[str]:
            return [id_ for id_ in ids(self.of("raw")) if id_ != "tick"]

    class Endless(list[Reply]):
        """Each poll shows two more transactions and the last one again."""

        def __init__(self) -> None:
            super().__init__()
            self._shown = 0

        def __len__(self) -> int:
            return 2

        def pop(self, _: object = 0) -> Reply:
            self._shown += 2
            return Reply(body=body(*(tx(self._shown - n) for n in (2, 1, 0))))

    class Impatient(SystemClock):
        def wait(self, stop: threading.Event, timeout_s: float) -> bool:
            return stop.wait(min(timeout_s, 0.001))

    stop, sink, clock = threading.Event(), Flickering(), Impatient()
    runtime = Runtime(metrics=Metrics("poller"), clock=clock, stop=stop)
    server.replies = Endless()
    with (
        Spool(tmp_path / "spool.sqlite") as spool,
        HttpSource(
            server.url, timeout_s=10.0, max_body_bytes=2**20, feed_clock="poll", clock=clock
        ) as source,
    ):
        steps = build(
            Settings(name="poller-0", interval_s=0.0),
            source=source,
            sink=sink,
            spool=spool,
            runtime=runtime,
            random=lambda: 0.0,
        )
        assert run(steps, runtime=runtime) == 0
    numbers = [int(id_, 16) for id_ in sink.published()]
    assert numbers == list(range(len(numbers)))
    polls = [wire.decode_heartbeat(record.value).poll_id for record in sink.of("feed")]
    assert polls == list(range(1, len(polls) + 1))
