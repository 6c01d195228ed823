"""The checker finds what is planted in a result; without that, its silence means nothing."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.checks import check
from tests.chaos.history import Archived, History, Letter, Row, digest
from tests.chaos.ledger import START_S, Ledger, Load, Offer, Total, fee_of, transaction
from tests.chaos.observations import ApiAnswer, Sample
from tests.chaos.verdicts import Truth, Verdict, compare, set_hash
from txfeatures.domain.features import minute_name
from txfeatures.domain.wire import decode_transaction

COUNT = 60
IDS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(COUNT)]
MINUTES = [START_S + 60 * (number // 20) for number in range(COUNT)]
POISON = b"no transaction"


def totals(ids: list[str]) -> dict[int, Total]:
    found: dict[int, Total] = {}
    for tx_hash in ids:
        minute = MINUTES[IDS.index(tx_hash)]
        found[minute] = found.get(minute, Total()).plus(fee_of(tx_hash))
    return found


def whole() -> tuple[Truth, History, list[Sample], list[ApiAnswer]]:
    """Return a run in which everything is right."""
    truth = Truth(good=set(IDS), poison={digest(POISON)}, minutes=totals(IDS))
    rows = [
        Row(
            minute=minute_name(minute),
            revision=revision,
            is_final=revision == 2,
            total=total if revision == 2 else Total(),
            place=(0, 2 * number + revision),
        )
        for number, (minute, total) in enumerate(sorted(truth.minutes.items()))
        for revision in (1, 2)
    ]
    finals = [row for row in rows if row.is_final]
    places = {(number % 2, number // 2): tx_hash for number, tx_hash in enumerate(IDS)}
    history = History(
        raw=dict(places),
        odd={(0, 500): digest(POISON)},
        deduped=dict(places),
        rows=rows,
        letters=[Letter(digest=digest(POISON), origin=(0, 500))],
        archived=[Archived(place=place, id=tx_hash) for place, tx_hash in places.items()],
        objects=frozenset({(0, 0), (0, 10)}),
        online=finals,
        offline=finals,
        stages={"dedup": {"given": COUNT, "dead": 1}, "aggregator": {"given": COUNT, "late": 0}},
    )
    sample = Sample(
        dedup={0: 10, 1: 10},
        deduped_ends={0: 10, 1: 10},
        features={0: 3},
        revisions={minute_name(START_S): 2},
        archive={0: 10},
        objects=frozenset({(0, 0)}),
    )
    answers = [ApiAnswer(status=200, minute=row.minute, revision=row.revision) for row in rows]
    return truth, history, [sample], [*answers, ApiAnswer(status=503)]


def failing(verdicts: list[Verdict]) -> set[str]:
    return {verdict.name for verdict in verdicts if not verdict.holds}


def test_a_run_in_which_everything_is_right_passes() -> None:
    verdicts = check(*whole())
    assert failing(verdicts) == set(), [str(verdict) for verdict in verdicts]
    assert all(verdict.checked for verdict in verdicts)


def lose(history: History) -> None:
    del history.deduped[0, 0]


def double(history: History) -> None:
    history.deduped[1, 900] = IDS[0]


def lose_one_and_double_another(history: History) -> None:
    """Leave each count as it is."""
    history.deduped[0, 0] = IDS[2]


def miscount(history: History) -> None:
    """Leave the count of a minute, and change its set."""
    last = history.rows[-1]
    total = replace(last.total, fees=last.total.fees - fee_of(IDS[-1]) + fee_of(IDS[-2]))
    history.rows[-1] = replace(last, total=total)
    history.online = [*history.online[:-1], history.rows[-1]]
    history.offline = [*history.offline[:-1], history.rows[-1]]


def skip_a_revision(history: History) -> None:
    history.rows[-1] = replace(history.rows[-1], revision=3)


def change_a_final_row(history: History) -> None:
    last = history.rows[-1]
    history.rows.append(replace(last, revision=3, place=(0, 99)))


def archive_twice(history: History) -> None:
    history.archived.append(history.archived[0])


def archive_one_for_another(history: History) -> None:
    history.archived[0] = replace(history.archived[0], id=IDS[5])


def keep_an_old_row_online(history: History) -> None:
    history.online = [history.rows[0], *history.online[1:]]


def forget_an_offline_row(history: History) -> None:
    history.offline = history.offline[1:]


def change_poison(history: History) -> None:
    history.letters[0] = replace(history.letters[0], digest=digest(POISON + b" "))


def misplace_poison(history: History) -> None:
    history.letters[0] = replace(history.letters[0], origin=(0, 501))


def miscount_a_stage(history: History) -> None:
    history.stages["dedup"]["given"] = COUNT - 1


def fail_the_audit(history: History) -> None:
    history.audit = 1, "findings"


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (lose, "I1"),
        (double, "I2"),
        (lose_one_and_double_another, "I1"),
        (lose_one_and_double_another, "I2"),
        (miscount, "I2"),
        (skip_a_revision, "I4"),
        (change_a_final_row, "I4"),
        (archive_twice, "I5"),
        (archive_one_for_another, "I5"),
        (keep_an_old_row_online, "I6"),
        (forget_an_offline_row, "I6"),
        (change_poison, "I9"),
        (misplace_poison, "I9"),
        (miscount_a_stage, "I10"),
        (fail_the_audit, "I10"),
    ],
)
def test_what_is_planted_is_found(plant: Callable[[History], None], name: str) -> None:
    truth, history, samples, answers = whole()
    plant(history)
    assert name in failing(check(truth, history, samples, answers))


@pytest.mark.parametrize(
    "ahead",
    [
        {"dedup": {0: 11}},
        {"features": {0: 3}, "revisions": {minute_name(START_S): 1}},
        {"archive": {0: 11}},
    ],
)
def test_an_offset_that_runs_ahead_of_what_it_caused_is_found(ahead: dict[str, object]) -> None:
    truth, history, [sample], answers = whole()
    early = replace(sample, **ahead)  # type: ignore[arg-type]
    assert failing(check(truth, history, [early], answers)) == {"I7"}


@pytest.mark.parametrize(
    "answer",
    [ApiAnswer(status=500), ApiAnswer(status=200, minute=minute_name(START_S), revision=1)],
)
def test_an_api_that_goes_back_or_breaks_is_found(answer: ApiAnswer) -> None:
    truth, history, samples, answers = whole()
    assert failing(check(truth, history, samples, [*answers, answer])) == {"I8"}


def test_a_transaction_that_may_not_have_been_shown_counts_once_at_most() -> None:
    truth, history, samples, answers = whole()
    unknown = replace(truth, unshown={"f" * 64})
    assert failing(check(unknown, history, samples, answers)) == set()
    history.raw[0, 700] = "f" * 64
    assert "I3" in failing(check(unknown, history, samples, answers))


def test_an_invariant_of_nothing_fails() -> None:
    nothing = Truth(good=set(), minutes={})
    assert len(failing(check(nothing, History(), [], []))) == len(check(*whole())) - 1  # I3


def test_a_loss_and_a_double_in_one_minute_do_not_cancel_out() -> None:
    right = totals(IDS)
    wrong = totals([IDS[0], *IDS[:19], *IDS[20:]])
    assert [total.count for total in right.values()] == [total.count for total in wrong.values()]
    difference = compare(right, {minute_name(minute): total for minute, total in wrong.items()})
    assert (difference.lost, difference.doubled) == (1, 1)


def test_losses_and_doubles_are_counted() -> None:
    found = {minute_name(minute): total for minute, total in totals(IDS[5:]).items()}
    last = minute_name(MINUTES[-1])
    found[last] = found[last].plus(7).plus(8)
    difference = compare(totals(IDS), found)
    assert (difference.lost, difference.doubled) == (5, 2)


def test_the_set_hash_is_without_order_and_counts_doubles() -> None:
    assert set_hash(IDS) == set_hash(reversed(IDS))
    assert set_hash([*IDS, IDS[0]]) != set_hash(IDS)
    assert set_hash([*IDS[1:], IDS[1]]) != set_hash(IDS)


def test_the_ledger_holds_a_second_before_an_arrival_of_it_is_seen(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    arrivals = Load(ledger, seed=1, per_second=50).arrivals()
    first = next(arrivals)
    assert ledger.count() == 50
    assert first.arrived_at == START_S
    assert not ledger.ids("good") | ledger.ids("poison")
    ledger.shown(START_S)
    shown = ledger.ids("good") | ledger.ids("poison")
    assert len(shown) == 50
    assert sum(total.count for total in ledger.minutes().values()) == len(ledger.ids("good"))
    ledger.close()


def test_the_same_seed_makes_the_same_feed(tmp_path: Path) -> None:
    feeds = []
    for name in "ab":
        ledger = Ledger(tmp_path / name)
        arrivals = Load(ledger, seed=3, per_second=20).arrivals()
        feeds.append([bytes(next(arrivals).tx) for _ in range(60)])
        ledger.close()
    assert feeds[0] == feeds[1]


def test_a_transaction_carries_its_hash_in_its_fee() -> None:
    body = transaction(IDS[0], START_S)
    offer = Offer(number=0, kind="good", second=START_S, time=START_S, body=body, id=IDS[0])
    assert decode_transaction(body).fee == offer.fee == fee_of(IDS[0])
