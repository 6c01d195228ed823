from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.drive import batches, one_by_one, record
from tests.properties.oracle import Moment, first_sightings
from txfeatures.domain.model import KafkaRecord
from txfeatures.domain.topics import RAW
from txfeatures_dedup.logic import dedup

REMEMBER_MS = 60_000

thorough = settings(max_examples=200, deadline=None, print_blob=True)
randoms = st.randoms(use_true_random=False)

NAMES = [f"{number:02x}" * 32 for number in range(4)]
moments = st.builds(
    Moment,
    hash=st.sampled_from(NAMES),
    feed_ms=st.one_of(
        st.integers(0, 200_000),
        st.sampled_from([0, REMEMBER_MS, 67_499, 67_500, 120_000, 134_999, 135_000]),
    ),
    fee=st.one_of(st.just(7), st.just(7), st.none()),
)
logs = st.lists(moments, max_size=40)


def forwarded(log: list[Moment], random: Random | None = None) -> list[KafkaRecord]:
    """Return the forwarded records, with the state carried from batch to batch."""
    records = [record(m, topic=RAW, offset=offset) for offset, m in enumerate(log)]
    seen: dict[bytes, int] = {}
    clock_ms = 0
    found: list[KafkaRecord] = []
    for batch in batches(records, random) if random else one_by_one(records):
        outcome = dedup(seen, batch, remember_ms=REMEMBER_MS, clock_ms=clock_ms)
        clock_ms = outcome.clock_ms
        assert outcome.duplicates + len(outcome.forwarded) == len(batch)
        seen.update(outcome.sightings)
        found += outcome.forwarded
    return found


@thorough
@given(log=logs, random=randoms)
def test_what_goes_on_equals_the_oracle_and_every_tick_keeps_its_place(
    log: list[Moment], random: Random
) -> None:
    transactions = [moment for moment in log if not moment.is_tick]
    answers = iter(first_sightings([(m.hash, m.feed_ms) for m in transactions], REMEMBER_MS))
    expected = [offset for offset, moment in enumerate(log) if moment.is_tick or next(answers)]
    assert [r.offset for r in forwarded(log, random)] == expected


@thorough
@given(log=logs, random=randoms)
def test_no_hash_goes_on_twice_while_it_is_remembered(log: list[Moment], random: Random) -> None:
    last: dict[bytes, int] = {}
    for found in forwarded(log, random):
        if found.key is not None:
            read_ms = log[found.offset].feed_ms
            assert found.key not in last or read_ms - last[found.key] > REMEMBER_MS
            last[found.key] = read_ms


@thorough
@given(log=logs, random=randoms)
def test_every_hash_goes_on_at_least_once(log: list[Moment], random: Random) -> None:
    sent = {m.hash.encode() for m in log if not m.is_tick}
    assert {r.key for r in forwarded(log, random) if r.key} == sent


@thorough
@given(log=logs, random=randoms)
def test_the_sizes_of_batches_do_not_show(log: list[Moment], random: Random) -> None:
    assert forwarded(log, random) == forwarded(log)
