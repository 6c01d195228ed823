"""A clock that is wrong for a moment, from the poller's answers to what the aggregator counts."""

import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.drive import Folding
from tests.support.memory_sink import MemorySink, tx
from txfeatures.domain.model import Record
from txfeatures.domain.rules import Rules
from txfeatures.domain.topics import DEDUPED, RAW
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_dedup.logic import dedup
from txfeatures_poller.logic import Whole
from txfeatures_poller.main import build
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import Answer
from txfeatures_poller.spool import Spool

START_S = 1_729_334_940
POLLS = 40
SHOWN = 20
DAY_S = 86_400
ERRORS_S = st.one_of(st.integers(301, 30 * DAY_S), st.integers(-30 * DAY_S, -1))


class Feed:
    """Shows one transaction more at each poll, and a wrong time at some."""

    name = "example.org"

    def __init__(self, errors_s: dict[int, int]) -> None:
        self._errors_s = errors_s
        self._poll = 0

    def wait(self, stop: threading.Event, timeout_s: float) -> None:
        return None

    def fetch(self) -> Answer:
        self._poll += 1
        newest = range(self._poll, max(0, self._poll - SHOWN), -1)
        error_s = self._errors_s.get(self._poll, 0)
        return Answer(
            source=self.name,
            transactions=[
                tx(number, hash=f"{number:064x}"[::-1], time=START_S + number) for number in newest
            ],
            feed_time_ms=(START_S + self._poll + error_s) * 1000,
            fetched_at_ms=0,
            whole=Whole.of(b""),
        )


def raw_of(errors_s: dict[int, int], *, speed: float) -> Sequence[Record]:
    """Return the only partition of ``raw`` after all polls."""
    sink, runtime = (
        MemorySink(partitions=1),
        Runtime(metrics=Metrics("poller"), clock=ManualClock()),
    )
    with TemporaryDirectory() as folder, Spool(Path(folder) / "spool") as spool:
        steps = build(
            Settings(name="poller-0", interval_s=1 / speed, backoff_first_s=0),
            source=Feed(errors_s),
            sink=sink,
            spool=spool,
            runtime=runtime,
            random=lambda: 0.0,
        )
        for _ in range(POLLS):
            steps["poll"]()
    return [
        Record(
            topic=RAW,
            partition=0,
            offset=offset,
            key=record.key,
            value=record.value,
            timestamp_ms=record.timestamp_ms,
            headers=record.headers,
        )
        for offset, record in enumerate(sink.of(RAW))
    ]


@settings(max_examples=15)
@given(st.dictionaries(st.integers(2, POLLS - 1), ERRORS_S, max_size=5), st.sampled_from([1, 1000]))
def test_only_answers_of_a_wrong_clock_suffer_and_every_transaction_counts_on_time(
    errors_s: dict[int, int], speed: int
) -> None:
    found = dedup({}, raw_of(errors_s, speed=speed), remember_ms=48 * 3_600_000)
    assert found.duplicates == 0
    folding = Folding(partition=0, partitions=1, rules=Rules())
    outcome = folding.take(
        [
            Record(
                topic=DEDUPED,
                partition=0,
                offset=offset,
                key=record.key,
                value=record.value,
                timestamp_ms=record.timestamp_ms,
                headers=record.headers,
            )
            for offset, record in enumerate(found.forwarded)
        ]
    )
    assert (outcome.folded, outcome.late, outcome.uncounted) == (POLLS, 0, [])
    assert outcome.progress.feed_time_ms == (START_S + POLLS) * 1000
