from faust_microbatch import Batch
from faust_microbatch.engine.ownership import Ownership
from microbatch_support.fakes import messages


def whole(**committed: int) -> Ownership:
    owned = Ownership()
    owned.take_over({("in", 0): None, ("in", 1): 5})
    owned.restored()
    return owned


def test_tables_are_kept_when_nobody_else_has_committed_in_between() -> None:
    assert whole().take_over({("in", 0): None, ("in", 1): 5}) == {0, 1}


def test_tables_are_dropped_when_somebody_else_has() -> None:
    assert whole().take_over({("in", 0): None, ("in", 1): 6}) == {0}
    assert whole().take_over({("in", 0): 1, ("in", 1): 5}) == {1}


def test_our_own_commits_are_no_reason() -> None:
    owned = whole()
    owned.committed([Batch("in", 1, messages(3, first=5, partition=1), start=5)])
    assert owned.take_over({("in", 0): None, ("in", 1): 8}) == {0, 1}


def test_what_went_away_is_not_kept_when_it_comes_back() -> None:
    owned = whole()
    assert owned.take_over({("in", 1): 5}) == {1}
    assert owned.take_over({("in", 0): None, ("in", 1): 5}) == {1}


def test_every_topic_of_a_number_counts() -> None:
    owned = Ownership()
    owned.take_over({("in", 0): 5, ("other", 0): 7})
    owned.restored()
    assert owned.take_over({("in", 0): 5, ("other", 0): 8}) == set()


def test_what_was_not_restored_to_the_end_is_not_whole() -> None:
    owned = whole()
    owned.take_over({("in", 0): None, ("in", 1): 5, ("in", 2): 5})
    assert owned.take_over({("in", 0): None, ("in", 1): 5, ("in", 2): 5}) == {0, 1}
    assert owned.partitions == {("in", 0), ("in", 1), ("in", 2)}
