from collections.abc import Callable

from tests.support.declared import FEATURES
from txfeatures.domain import wire
from txfeatures.domain.errors import TransientError
from txfeatures.domain.features import minute_start_s
from txfeatures.domain.model import Record, Row
from txfeatures.process.clock import ManualClock
from txfeatures.process.runtime import Runtime
from txfeatures_api.changes import follow_changes
from txfeatures_api.rows import Rows

MINUTE_S = minute_start_s("2024-10-19 10:49:00")


class Tail:
    def __init__(self, *polls: list[Record] | TransientError) -> None:
        self._polls = list(polls)

    def poll(self, timeout_s: float) -> list[Record]:
        polled = self._polls.pop(0)
        if isinstance(polled, TransientError):
            raise polled
        return polled


def record(value: bytes) -> Record:
    return Record(topic="aggregated", partition=0, offset=0, key=None, value=value, timestamp_ms=0)


def test_revisions_are_announced_despite_an_outage_and_unreadable_records(
    clock: ManualClock, runtime: Runtime, make_row: Callable[..., Row]
) -> None:
    rows = Rows(clock=clock)
    changed = record(wire.encode_row(make_row(revision=2)))
    step = follow_changes(
        rows, FEATURES, tail=Tail(TransientError("down"), [record(b"{"), changed]), runtime=runtime
    )
    step()
    assert rows.owed(9) == []
    step()
    assert rows.owed(9) == [MINUTE_S]
    assert rows.known([MINUTE_S]) == []
