from tests.chaos.kinds import kinds, shapes
from tests.chaos.parts import Size
from tests.chaos.plan import plan

ALL = shapes(Size())


def test_a_seed_decides_everything() -> None:
    assert plan(7, ALL, length=100) == plan(7, ALL, length=100)
    assert plan(7, ALL, length=100) != plan(8, ALL, length=100)


def test_every_kind_comes_before_any_comes_again() -> None:
    planned = [each.kind for each in plan(7, ALL, length=2 * len(ALL))]
    assert sorted(planned[: len(ALL)]) == sorted(planned[len(ALL) :]) == sorted(ALL)


def test_victims_and_durations_are_those_of_the_kind() -> None:
    for each in plan(1, ALL, length=200):
        shape = ALL[each.kind]
        assert each.victim in shape.victims
        assert shape.shortest_s <= each.lasts_s <= shape.longest_s


def test_every_service_and_every_broker_is_killed_and_stopped() -> None:
    services = {"poller-0", "api-0"} | {
        f"{name}-{number}" for name in ("dedup", "aggregator", "fs_writer") for number in (0, 1)
    }
    brokers = {f"broker-{number}" for number in (1, 2, 3)}
    found = kinds(Size())
    assert set(found["kill"].shape.victims) == set(found["freeze"].shape.victims) == services
    assert set(found["broker_kill"].shape.victims) == brokers
    assert set(found["broker_freeze"].shape.victims) == brokers


def test_some_faults_begin_before_the_recovery_from_the_one_before() -> None:
    waiting = [each.waits for each in plan(1, ALL, length=200)]
    assert 0 < waiting.count(False) < 100
