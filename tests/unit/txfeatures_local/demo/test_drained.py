import pytest

from txfeatures.domain.errors import TransientError
from txfeatures.process.settings import KafkaSettings
from txfeatures_local.demo import drained
from txfeatures_local.demo.drained import RUN_ON_S, Drain, closing_time_s, reaches
from txfeatures_local.source.endpoint import Status


def status(*, exhausted: bool, newest_time: int | None, last_arrival_at: float | None) -> Status:
    return Status(
        served=1,
        errors=0,
        clock=1.0,
        exhausted=exhausted,
        transactions=1,
        first_arrival_at=1.0,
        last_arrival_at=last_arrival_at,
        newest_time=newest_time,
    )


def test_nothing_closes_while_arrivals_remain() -> None:
    assert closing_time_s(status(exhausted=False, newest_time=90, last_arrival_at=90.5)) is None


@pytest.mark.parametrize(("newest", "last"), [(61, 119.9), (119, 60.0), (None, 60.0)])
def test_the_clock_runs_on_from_the_end_of_the_newest_minute(
    newest: int | None, last: float
) -> None:
    found = closing_time_s(status(exhausted=True, newest_time=newest, last_arrival_at=last))
    assert found == 120 + RUN_ON_S


def test_a_group_reaches_the_end_when_every_partition_does() -> None:
    assert reaches({0: 5, 1: 7}, {0: 5, 1: 6})
    assert not reaches({0: 5, 1: 5}, {0: 5, 1: 6})
    assert not reaches({0: 5}, {0: 5, 1: 6})


def test_an_empty_partition_needs_no_commit() -> None:
    assert reaches({0: 5}, {0: 5, 1: 0})


def test_brokers_that_are_away_are_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = [TransientError("away"), TransientError("still away"), {0: 5}]

    class Admin:
        def __init__(self, _: KafkaSettings) -> None: ...

        def committed(self, *_: str) -> object:
            found = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(found, Exception):
                raise found
            return found

    class Tail:
        def __init__(self, *_: object) -> None: ...

        def poll(self, _: float) -> list[object]:
            return []

    monkeypatch.setattr(drained, "KafkaAdmin", Admin)
    monkeypatch.setattr(drained, "KafkaTail", Tail)
    monkeypatch.setattr(drained, "committed_ends", lambda *_: {0: 5})
    ended = status(exhausted=True, newest_time=None, last_arrival_at=60.0)
    drain = Drain(KafkaSettings(), status=lambda: ended, pollers=0)
    assert [drain.is_done() for _ in range(4)] == [False, False, True, True]
