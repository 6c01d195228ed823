"""Delay of records through dedup: sent at a steady rate, read at read committed."""

import threading
from collections.abc import Iterator

from bench.cluster import PARTITIONS, Cluster, read
from bench.load import hashes
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import DEDUPED, RAW
from txfeatures.kafka.client import KafkaSink
from txfeatures.process.clock import Clock
from txfeatures.process.settings import KafkaSettings

INTERVAL_S = 0.05
"""Time between two records of a partition."""

PATIENCE_S = 60.0


class Probe:
    """A context manager that sends new hashes to ``raw`` and waits for them in ``deduped``.

    It sends from its start to its end, to each partition. Delays are measured from the time
    of sending, before dedup receives the record.
    """

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._end = threading.Event()
        self._sender = threading.Thread(target=self._send, name="probe-sender")
        self._reader = threading.Thread(target=self._read, name="probe-reader")
        self._lock = threading.Lock()
        self._sent: dict[bytes, float] = {}
        self._worst_s = 0.0
        self._ready = threading.Event()

    def __enter__(self) -> "Probe":
        self._reader.start()
        self._ready.wait()
        self._sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._sender.join()
        self._reader.join()

    def worst_s(self, settle_s: float) -> float:
        """Wait for ``settle_s``, then return the longest delay since the last call.

        A record that has not arrived counts with its delay so far.
        """
        self._clock.wait(threading.Event(), settle_s)
        with self._lock:
            now_s = self._clock.monotonic()
            waiting = max((now_s - sent_s for sent_s in self._sent.values()), default=0.0)
            worst_s, self._worst_s = max(self._worst_s, waiting), 0.0
        return worst_s

    def _send(self) -> None:
        sink = KafkaSink(
            KafkaSettings(bootstrap_servers=self._cluster.bootstrap_servers), client_id="probe"
        )
        fresh = hashes(10**9, seed=round(self._clock.now() * 1000))  # no probe repeats another
        try:
            while not self._clock.wait(self._end, INTERVAL_S):
                records = list(self._round(fresh))
                with self._lock:
                    self._sent |= {r.key: self._clock.monotonic() for r in records if r.key}
                sink.publish(records)
        finally:
            sink.close()

    def _round(self, fresh: Iterator[bytes]) -> Iterator[OutgoingRecord]:
        now_ms = round(self._clock.now() * 1000)
        for partition in range(PARTITIONS):
            yield OutgoingRecord(
                topic=RAW,
                key=next(fresh).hex().encode(),
                value=b"{}",
                timestamp_ms=now_ms,
                partition=partition,
            )

    def _read(self) -> None:
        with self._cluster.reader(DEDUPED, from_end=True) as consumer:
            self._ready.set()
            while not self._end.is_set():
                messages, _ = read(consumer, 0.01)
                now_s = self._clock.monotonic()
                with self._lock:
                    for message in messages:
                        if sent_s := self._sent.pop(message.key() or b"", None):
                            self._worst_s = max(self._worst_s, now_s - sent_s)
