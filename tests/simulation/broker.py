"""A Kafka in memory: logs, transactions with their markers, consumer groups with generations.

As in Kafka, a transaction is decided at once and its markers reach each partition later, in any
order; only then do its records, or its offsets, count there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from zlib import crc32

from confluent_kafka import KafkaError, KafkaException

Partition = tuple[str, int]
Place = Partition | str
"""A partition, or the name of a group, in which a transaction has a part."""


class Crashed(BaseException):
    """The process is gone: raised by every call that it would have made."""


@dataclass(slots=True, eq=False)
class Transaction:
    """A transaction; ``unmarked`` are the places that do not know its fate yet."""

    owner: str
    state: Literal["open", "committed", "aborted"] = "open"
    unmarked: set[Place] = field(default_factory=set)
    offsets: dict[str, dict[Partition, int]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Entry:
    """A record of a log, or the marker of a transaction (without a value)."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int = 0
    headers: Sequence[tuple[str, bytes]] = ()
    transaction: Transaction | None = None
    is_marker: bool = False

    @property
    def is_visible(self) -> bool:
        """Whether a read-committed consumer that gets this far receives it."""
        if self.is_marker:
            return False
        return self.transaction is None or self.transaction.state == "committed"


class Log(list[Entry]):
    """A partition's log; its offsets are the positions."""

    def __init__(self, partition: Partition) -> None:
        super().__init__()
        self.partition = partition
        self._decided = 0  # records before it are decided for good

    @property
    def stable(self) -> int:
        """The last stable offset: where the first transaction lies that may still be decided."""
        while self._decided < len(self):
            transaction = self[self._decided].transaction
            if transaction is not None and self.partition in transaction.unmarked:
                break
            self._decided += 1
        return self._decided


@dataclass(slots=True, eq=False)
class Member:
    """A member of a group, as its coordinator knows it."""

    topics: Sequence[str]
    is_joined: bool = True
    assigned: list[Partition] | None = None


@dataclass(slots=True)
class Group:
    """A consumer group with the eager protocol: all give back, then all are assigned anew."""

    members: dict[str, Member] = field(default_factory=dict)
    generation: int = 0
    is_stable: bool = False
    offsets: dict[Partition, int] = field(default_factory=dict)
    pending: list[Transaction] = field(default_factory=list)


@dataclass(slots=True)
class Producer:
    """A transactional id: its epoch, and the transaction that is open."""

    epoch: int = 0
    transaction: Transaction | None = None


class Broker:
    """All topics, groups and producers."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        self.partitions = dict(topics)
        self.logs = {(t, n): Log((t, n)) for t, count in topics.items() for n in range(count)}
        self.groups: dict[str, Group] = {}
        self.producers: dict[str, Producer] = {}
        self.decided: list[Transaction] = []

    # Records.

    def partition_of(self, topic: str, key: bytes | None, partition: int) -> Partition:
        """Return the partition of a record that is sent to ``partition``, or by its key."""
        number = partition if partition >= 0 else crc32(key or b"") % self.partitions[topic]
        return topic, number

    def append(self, partition: Partition, entry: Entry) -> None:
        """Append a record."""
        if entry.transaction is not None:
            entry.transaction.unmarked.add(partition)
        self.logs[partition].append(entry)

    def visible(self, topic: str) -> Iterator[tuple[Partition, int, Entry]]:
        """Yield the committed records of a topic, partition by partition."""
        for number in range(self.partitions[topic]):
            log = self.logs[topic, number]
            for offset in range(log.stable):
                if log[offset].is_visible:
                    yield (topic, number), offset, log[offset]

    # Transactions.

    def init(self, name: str) -> int:
        """Fence former producers of ``name`` and abort what they left open; return the epoch."""
        producer = self.producers.setdefault(name, Producer())
        self._settle(name)
        if producer.transaction is not None:
            self._decide(producer, "aborted")
            self._settle(name)
        producer.epoch += 1
        return producer.epoch

    def begin(self, name: str, epoch: int) -> None:
        """Open a transaction."""
        self.check_epoch(name, epoch)
        self._settle(name)
        self.producers[name].transaction = Transaction(owner=name)

    def transaction(self, name: str, epoch: int) -> Transaction:
        """Return the open transaction."""
        self.check_epoch(name, epoch)
        found = self.producers[name].transaction
        if found is None:
            raise fatal(KafkaError.INVALID_TXN_STATE)
        return found

    def add_offsets(
        self, name: str, epoch: int, group: str, offsets: Mapping[Partition, int], metadata: Any
    ) -> None:
        """Make offsets part of the open transaction, if the group's member may commit them."""
        transaction = self.transaction(name, epoch)
        known = self.groups[group]
        member_id, generation = metadata
        if generation != known.generation or member_id not in known.members:
            raise abortable(KafkaError.ILLEGAL_GENERATION)
        transaction.offsets.setdefault(group, {}).update(offsets)
        if group not in transaction.unmarked:
            transaction.unmarked.add(group)
            known.pending.append(transaction)

    def end(self, name: str, epoch: int, state: Literal["committed", "aborted"]) -> None:
        """Decide the open transaction; to repeat the decision changes nothing."""
        self.check_epoch(name, epoch)
        producer = self.producers[name]
        if producer.transaction is not None:
            self._decide(producer, state)

    def expire(self, name: str) -> None:
        """Abort an open transaction by its timeout; its producer is fenced."""
        producer = self.producers[name]
        producer.epoch += 1
        self._decide(producer, "aborted")

    def mark(self, transaction: Transaction, place: Place) -> None:
        """Write the marker of a decided transaction to one of its places."""
        transaction.unmarked.discard(place)
        if isinstance(place, str):
            group = self.groups[place]
            group.pending.remove(transaction)
            if transaction.state == "committed":
                group.offsets.update(transaction.offsets[place])
        else:
            self.logs[place].append(Entry(None, None, is_marker=True))
        if not transaction.unmarked:
            self.decided.remove(transaction)

    def check_epoch(self, name: str, epoch: int) -> None:
        """Refuse a producer that was fenced."""
        if self.producers[name].epoch != epoch:
            raise fatal(KafkaError._FENCED)

    def _decide(self, producer: Producer, state: Literal["committed", "aborted"]) -> None:
        transaction, producer.transaction = producer.transaction, None
        assert transaction is not None
        transaction.state = state
        if transaction.unmarked:
            self.decided.append(transaction)

    def _settle(self, name: str) -> None:
        """Write all markers of a producer's last transaction, as its next one waits for them."""
        for transaction in [each for each in self.decided if each.owner == name]:
            for place in sorted(transaction.unmarked, key=str):
                self.mark(transaction, place)

    # Groups.

    def join(self, group: str, member: str, topics: Sequence[str]) -> None:
        """Add a member; a rebalance begins."""
        known = self.groups.setdefault(group, Group())
        known.members[member] = Member(topics=topics)
        self._unsettle(known)

    def leave(self, group: str, member: str) -> None:
        """Remove a member that left, or that was silent for too long."""
        known = self.groups.get(group)
        if known is not None and known.members.pop(member, None) is not None:
            self._unsettle(known)

    def rejoin(self, group: str, member: str) -> None:
        """Note that a member has given back its partitions; the last one ends the rebalance."""
        known = self.groups[group]
        known.members[member].is_joined = True
        if all(each.is_joined for each in known.members.values()):
            self._assign(known)

    def _unsettle(self, group: Group) -> None:
        group.is_stable = False
        for member in group.members.values():
            member.is_joined = member.assigned is None
        if group.members and all(each.is_joined for each in group.members.values()):
            self._assign(group)

    def _assign(self, group: Group) -> None:
        """Give each number of all topics to the same member, as the assignor ``range`` does."""
        group.generation += 1
        group.is_stable = True
        names = sorted(group.members)
        for name, member in group.members.items():
            member.assigned = []
            for topic in member.topics:
                count = self.partitions[topic]
                each, rest = divmod(count, len(names))
                place = names.index(name)
                first = place * each + min(place, rest)
                last = first + each + (place < rest)
                member.assigned += [(topic, number) for number in range(first, last)]


def fatal(code: int) -> KafkaException:
    """Return an error after which a producer can do nothing more."""
    return KafkaException(KafkaError(code, "simulated", True, False, False))


def abortable(code: int) -> KafkaException:
    """Return an error that demands the abort of a transaction."""
    return KafkaException(KafkaError(code, "simulated", False, False, True))


def retriable(code: int = KafkaError._TIMED_OUT) -> KafkaException:
    """Return an error after which the same call may be made again."""
    return KafkaException(KafkaError(code, "simulated", False, True, False))


Fault = Callable[[str], None]
"""Called with the name of a call before and after it; it may raise, and so does a crash."""
