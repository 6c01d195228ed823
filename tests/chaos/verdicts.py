"""The truth, the verdicts on it, and the comparison of minutes [pure]."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from tests.chaos.ledger import Total
from txfeatures.domain.features import minute_name

SHOWN = 5
"""Most examples in a verdict."""
_NOTHING = Total()


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The ledger at the end of a run.

    Attributes:
        good: Transactions that an answer showed.
        unshown: Transactions that were written and that no answer showed, as far as is known.
        future: Transactions dated too far ahead to count.
        poison: Digests of what can't be read, the records of strangers included.
        cut: Digests of elements of which an answer showed the beginning only.
        minutes: Start of a minute -> its total, by the transactions that must count.
    """

    good: Set[str]
    unshown: Set[str] = frozenset()
    future: Set[str] = frozenset()
    poison: Set[str] = frozenset()
    cut: Set[str] = frozenset()
    minutes: Mapping[int, Total]


@dataclass(slots=True, kw_only=True)
class Verdict:
    """An invariant, and what contradicts it.

    Attributes:
        checked: Number of things compared; an invariant of nothing fails.
    """

    name: str
    promise: str
    checked: int
    found: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.found and self.checked > 0

    def __str__(self) -> str:
        state = "holds" if self.holds else "FAILS"
        examples = "; ".join(self.found[:SHOWN])
        return f"{self.name} {state}: {self.promise} ({self.checked} checked) {examples}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Transactions of minutes that are missing, and that were counted too often.

    A minute with the right count and the wrong set has lost and doubled at least one.
    """

    lost: int
    doubled: int
    minutes: Sequence[str]


def compare(wanted: Mapping[int, Total], found: Mapping[str, Total]) -> Difference:
    """Compare minutes: both counts, and the order-free hashes of their sets."""
    by_name = {minute_name(minute): total for minute, total in wanted.items()}
    lost = doubled = 0
    differing = []
    for name in sorted(by_name.keys() | found.keys()):
        right, counted = by_name.get(name, _NOTHING), found.get(name, _NOTHING)
        if right == counted:
            continue
        differing.append(name)
        missing = right.count - counted.count
        lost += max(missing, 0) or int(missing == 0)
        doubled += max(-missing, 0) or int(missing == 0)
    return Difference(lost=lost, doubled=doubled, minutes=differing)


def set_hash(ids: Iterable[str]) -> int:
    """Return an order-free hash of a bag of ids: a double counts twice."""
    digests = (hashlib.sha256(each.encode()).digest()[:8] for each in ids)
    return sum(int.from_bytes(digest) for digest in digests) % 2**64
