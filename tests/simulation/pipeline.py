"""The whole pipeline in one world: who takes the next step, and what befalls him."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import faust

from tests.simulation.broker import Crashed, Group
from tests.simulation.clients import Clients
from tests.simulation.source import Pollers
from tests.simulation.worker import Seat, Worker, stepped
from tests.simulation.world import NO_FAULTS, PARTITIONS, World
from tests.simulation.writer import writers
from tests.support.declared import DEFAULT
from txfeatures.domain.topics import DEDUPED, FEED, PARTIALS, RAW
from txfeatures.process.metrics import Metrics
from txfeatures_aggregator import app as aggregator
from txfeatures_aggregator.settings import Settings as AggregatorSettings
from txfeatures_dedup import app as dedup
from txfeatures_dedup.settings import Settings as DedupSettings

STEPS = 250
"""Steps with faults, before the world is healed."""

ROUNDS_OF_A_WORKER = (
    ("fetch",),
    ("work",),
    ("commit",),
    ("fetch", "work"),
    ("fetch", "work", "commit"),
    ("fetch", "fetch", "work", "commit"),
)

ROUNDS = 300
"""Rounds of a healed world within which all work must be done."""


class StuckError(AssertionError):
    """A healed world did not come to rest."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A stateful service.

    Attributes:
        name: Its consumer group.
        topics: The topics that it reads.
        seats: Apps for its workers: two at most live at a time, and one is paused.
    """

    name: str
    topics: Sequence[str]
    seats: Sequence[Seat]


def _make_dedup() -> faust.App:
    return dedup.create_app(DedupSettings(), partitions=PARTITIONS, metrics=Metrics("dedup"))


def _make_aggregator() -> faust.App:
    settings = AggregatorSettings()
    return aggregator.create_app(
        settings, partitions=PARTITIONS, metrics=Metrics("aggregator"), declaration=DEFAULT
    )


def kinds() -> list[Kind]:
    """Return the stateful services, to be used for one world after another."""
    makers: list[tuple[str, Sequence[str], Callable[[], faust.App]]] = [
        ("dedup", [RAW], _make_dedup),
        ("aggregator", [DEDUPED, PARTIALS, FEED], _make_aggregator),
    ]
    return [Kind(name, topics, [Seat(make) for _ in range(2)]) for name, topics, make in makers]


@dataclass(slots=True)
class Slot:
    """A place for one worker after another."""

    kind: Kind
    seat: Seat
    number: int
    worker: Worker | None = None
    is_paused: bool = False


class Pipeline:
    """The pipeline of one world.

    Args:
        world: The world.
        kinds: The stateful services.
        is_named: Whether their workers keep their names, hence their transactional ids.
        steps: Steps before the world is healed.
    """

    def __init__(
        self, world: World, kinds: Sequence[Kind], *, is_named: bool, steps: int = STEPS
    ) -> None:
        self.world = world
        self.kinds = kinds
        self._is_named = is_named
        self._steps = steps
        self.pollers = Pollers(world)
        self.store, self.archive, self.writers = writers(world)
        self.slots = [
            Slot(kind, seat, number) for kind in kinds for number, seat in enumerate(kind.seats)
        ]

    def run(self) -> None:
        """Run with faults, then heal, and come to rest."""
        with stepped():
            try:
                for slot in self.slots:
                    self._start(slot)
                for _ in range(self._steps):
                    self._step()
                self._heal()
            finally:
                for slot in self.slots:
                    self._kill(slot)

    def _step(self) -> None:
        random = self.world.random
        self.world.clock.advance(0.05)
        if random.random() < self.world.faults.strike:
            self._strike(random.choice(self.slots))
        elif random.random() < self.world.faults.expiry:
            self.world.expire_one()
        elif (chance := random.random()) < 0.12:
            self.pollers.poll()
        elif chance < 0.20:
            random.choice(self.writers).step()
        elif chance < 0.24:
            if self.world.broker.decided:
                self.world.write_marker()
        else:
            self._advance(random.choice(self.slots))

    def _strike(self, slot: Slot) -> None:
        """Kill a worker, stop it in an orderly way, pause it, or let a pause go on too long."""
        random, note = self.world.random, self.world.note
        name = f"{slot.kind.name} {slot.number}"
        if slot.worker is None:
            self._start(slot)
        elif slot.is_paused:
            if random.random() < 0.5:
                note(f"{name} is out of its group")
                self.world.broker.leave(slot.kind.name, slot.worker.clients.consumer.name)
            else:
                note(f"{name} goes on")
                slot.is_paused = False
        else:
            what = random.choice(("kill", "stop", "pause", "pause"))
            note(f"{name}: {what}")
            if what == "pause":
                slot.is_paused = True
            elif what == "kill":
                self._kill(slot)
            else:
                self._guarded(slot, slot.worker.stop)
                self._kill(slot)

    def _advance(self, slot: Slot) -> None:
        """Let a worker do one thing, or a whole round of them."""
        for step in self.world.random.choice(ROUNDS_OF_A_WORKER):
            if slot.worker is not None and not slot.is_paused:
                self._take(slot, step)

    def _guarded(self, slot: Slot, step: Callable[[], None]) -> None:
        """Take a step of a worker; one that has died, or has ended itself, is removed."""
        assert slot.worker is not None
        try:
            step()
        except Crashed:
            self._kill(slot)
        else:
            if not slot.worker.is_alive:
                self.world.note(f"{slot.kind.name} {slot.number} ends itself")
                self._kill(slot)

    def _start(self, slot: Slot) -> None:
        kind = slot.kind
        fault = self.world.fault(f"{kind.name} {slot.number}")
        name = f"{kind.name}-{slot.number}" if self._is_named else None
        slot.is_paused = False
        try:
            slot.worker = Worker(
                slot.seat,
                kind.topics,
                clients=Clients(self.world.broker, kind.name, fault),
                instance_id=name,
                clock=self.world.clock,
                note=self.world.note,
            )
        except Crashed:
            slot.worker = None
        else:
            self.world.note(f"{kind.name} {slot.number} starts")

    def _kill(self, slot: Slot) -> None:
        """End a worker as SIGKILL does: its member and its transaction stay until they time out."""
        if slot.worker is not None:
            slot.worker.kill()
            self._forget(slot)

    def _forget(self, slot: Slot) -> None:
        assert slot.worker is not None
        self.world.broker.leave(slot.kind.name, slot.worker.clients.consumer.name)
        slot.worker = None

    def _heal(self) -> None:
        """Let every process run without faults until all work is done."""
        self.world.faults = NO_FAULTS
        self.world.note("healed")
        self.pollers.close()
        seen: object = None
        for _ in range(ROUNDS):
            for slot in self.slots:
                slot.is_paused = False
                if slot.worker is None:
                    self._start(slot)
            for slot in self.slots:
                for step in ("fetch", "work", "commit"):
                    self._take(slot, step)
            self.world.settle()
            for writer in self.writers:
                writer.step()
            if seen == (seen := self._state()):
                return
        raise StuckError(f"not at rest after {ROUNDS} rounds")

    def _take(self, slot: Slot, step: str) -> None:
        worker = slot.worker
        if worker is not None:
            steps = {
                "fetch": worker.fetcher.step,
                "work": worker.work,
                "commit": worker.committer.step,
            }
            self._guarded(slot, steps[step])

    def _state(self) -> object:
        """Return what changes as long as there is work."""
        broker = self.world.broker
        groups: list[Group] = [broker.groups[kind.name] for kind in self.kinds]
        is_at_end = all(
            group.is_stable and group.offsets == self._ends(kind)
            for kind, group in zip(self.kinds, groups, strict=True)
        )
        if not is_at_end or any(slot.worker is None for slot in self.slots):
            return object()
        return (
            [len(log) for log in broker.logs.values()],
            [group.generation for group in groups],
            [writer.progress for writer in self.writers],
        )

    def _ends(self, kind: Kind) -> dict[tuple[str, int], int]:
        """Return the offsets after the last record of each partition that a service reads."""
        ends: dict[tuple[str, int], int] = {}
        for topic in kind.topics:
            for partition, offset, _ in self.world.broker.visible(topic):
                ends[partition] = offset + 1
        return ends
