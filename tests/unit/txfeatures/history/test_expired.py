import pytest

from txfeatures.history.expired import READERS, expired


class Offsets:
    """Topics of two partitions, with one reader at another offset than the others."""

    def __init__(self, topic: str, group: str, *, begins: int, committed: dict[int, int]) -> None:
        self._topic, self._group = topic, group
        self._begins, self._committed = begins, committed

    def beginnings(self, topic: str) -> dict[int, int]:
        return {0: 0, 1: self._begins if topic == self._topic else 0}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        return self._committed if (group, topic) == (self._group, self._topic) else {0: 9, 1: 9}


@pytest.mark.parametrize(("topic", "group"), READERS)
def test_records_that_are_gone_before_their_reader_came_are_named(topic: str, group: str) -> None:
    (finding,) = expired(Offsets(topic, group, begins=8, committed={0: 0, 1: 3}))
    assert (finding.where, finding.kind, finding.minute) == ("kafka", "gone", "")
    assert finding.detail == (
        f"5 records of {topic} partition 1 were gone before {group} read them (it was at offset 3)"
    )


@pytest.mark.parametrize("committed", [{0: 0, 1: 8}, {0: 0, 1: 9}, {}])
def test_what_was_read_or_never_begun_is_no_loss(committed: dict[int, int]) -> None:
    assert expired(Offsets("deduped", "fs_writer-archive", begins=8, committed=committed)) == []
