"""The faults of a run: kind, victim, time and duration, all of them from one seed."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHORTEST_GAP_S, LONGEST_GAP_S = 2.0, 6.0
OVERLAPPING = 0.25
"""Share of the faults that begin before the pipeline has recovered from the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The victims of a kind of fault, and how long it lasts.

    A kind whose end is decided by what it waits for has no duration.
    """

    victims: Sequence[str]
    shortest_s: float = 0.0
    longest_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A fault to come.

    Attributes:
        gap_s: Seconds from the end of the fault before, or from its recovery, to this one.
        waits: Whether it begins only when the pipeline has recovered.
    """

    number: int
    kind: str
    victim: str
    gap_s: float
    lasts_s: float
    waits: bool

    def __str__(self) -> str:
        return f"{self.number:3} {self.kind} of {self.victim} for {self.lasts_s:.1f} s"


def plan(seed: int, shapes: Mapping[str, Shape], *, length: int) -> list[Planned]:
    """Return ``length`` faults: all kinds in a random order, and again in another one."""
    draw = random.Random(seed)
    deck: list[str] = []
    found = []
    for number in range(1, length + 1):
        if not deck:
            deck = sorted(shapes)
            draw.shuffle(deck)
        kind = deck.pop()
        shape = shapes[kind]
        found.append(
            Planned(
                number=number,
                kind=kind,
                victim=draw.choice(list(shape.victims)),
                gap_s=draw.uniform(SHORTEST_GAP_S, LONGEST_GAP_S),
                lasts_s=draw.uniform(shape.shortest_s, shape.longest_s),
                waits=draw.random() >= OVERLAPPING,
            )
        )
    return found
