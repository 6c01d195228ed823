"""Tables: a store per partition, every write in the outbox of the batch that caused it."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Generic, TypeVar, cast

import faust
from faust.stores import memory
from faust.streams import current_event
from faust.tables.manager import TableManager as FaustTableManager

from faust_microbatch.engine.records import Batch
from faust_microbatch.engine.recovery import Restoration
from faust_microbatch.engine.stores import DictStore, Store
from faust_microbatch.errors import MicrobatchError

V = TypeVar("V")


class Part(MutableMapping[bytes, V], Generic[V]):
    """The part of a table that belongs to a batch's partition, written as one with the batch.

    Reads see what was written. A write is on the changelog when the batch's transaction is.
    """

    __slots__ = ("_changelog", "_partition", "_sink", "store")

    def __init__(self, store: Store[V], changelog: str, batch: Batch) -> None:
        self.store = store
        self._changelog = changelog
        self._partition = batch.partition
        self._sink = batch.outbox.changes

    def __getitem__(self, key: bytes) -> V:
        return self.store[key]

    def __contains__(self, key: object) -> bool:
        return key in self.store

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.store)

    def __len__(self) -> int:
        return len(self.store)

    def __setitem__(self, key: bytes, value: V) -> None:
        self.put({key: value})

    def __delitem__(self, key: bytes) -> None:
        if key not in self.store:
            raise KeyError(key)
        self.remove([key])

    def put(self, values: Mapping[bytes, V]) -> None:
        """Set keys, all in one."""
        if values:
            self.store.update(values)
            encode = self.store.encode
            self._write({key: encode(value) for key, value in values.items()})

    def remove(self, keys: Iterable[bytes]) -> None:
        """Remove keys, all in one; those that are not there don't matter."""
        gone = dict.fromkeys(keys)
        if gone:
            self.store.discard(gone)
            self._write(gone)

    def _write(self, changes: Mapping[bytes, bytes | None]) -> None:
        self._sink.append((self._changelog, self._partition, changes))


class Partitions(memory.Store[bytes, Any]):
    """The stores of the partitions that this worker owns.

    To Faust it is one store: that of the partition whose batch is being worked on.
    """

    def __post_init__(self) -> None:
        self.by_number: dict[int, Store[Any]] = {}

    @property
    def data(self) -> Store[Any]:  # type: ignore[override]
        """The store of the current batch's partition."""
        return self.of(current_batch())

    def of(self, batch: Batch) -> Store[Any]:
        """Return the store of the batch's partition."""
        try:
            return self.by_number[batch.partition]
        except KeyError:
            raise MicrobatchError(
                f"table {self.table_name} has no partition {batch.partition}, but {batch.topic}"
                " has; give the table and its changelog as many and start again"
            ) from None


class Table(faust.Table[bytes, Any]):
    """A table of bytes keys, with a changelog record for each key written.

    Args:
        partition_store: Makes the store of a partition.
    """

    data: Partitions

    def __init__(
        self,
        app: faust.App,
        *,
        partition_store: Callable[[], Store[Any]] = DictStore,
        **options: Any,
    ) -> None:
        super().__init__(app, **options)
        self._partition_store = partition_store

    def of(self, batch: Batch) -> Part[Any]:
        """Return the part of the table that belongs to ``batch``.

        Raises:
            MicrobatchError: The table has fewer partitions than the batch's topic.
        """
        return Part(self.data.of(batch), self.changelog_topic_name, batch)

    def renew(self, numbers: Iterable[int]) -> list[Restoration]:
        """Make the stores of these partitions anew, and return what fills them."""
        restorations = []
        for number in sorted(numbers):
            if number < (self.partitions or 0):
                store = self.data.by_number[number] = self._partition_store()
                changelog = (self.changelog_topic_name, number)
                restorations.append(Restoration(changelog=changelog, store=store))
        return restorations

    def keep(self, numbers: Container[int]) -> None:
        """Forget the partitions that are not among ``numbers``."""
        self.data.by_number = {n: s for n, s in self.data.by_number.items() if n in numbers}

    def info(self) -> Mapping[str, Any]:
        """Return the arguments that make another table like this."""
        return {**super().info(), "partition_store": self._partition_store}

    def on_key_set(self, key: bytes, value: Any) -> None:
        """Put one write into the outbox; Faust calls this before it writes to the store."""
        self.of(current_batch())._write({key: self.data.data.encode(value)})  # noqa: SLF001

    def on_key_del(self, key: bytes) -> None:
        """Put one removal into the outbox."""
        self.of(current_batch())._write({key: None})  # noqa: SLF001

    def _new_store(self) -> Partitions:
        return Partitions("memory://", self.app, self, table_name=self.name, loop=self.loop)


class TableManager(FaustTableManager):
    """Starts the tables; the consumer restores them, see `Consumer`."""

    async def on_start(self) -> None:
        """Start the tables."""
        self._tables_finalized.set()
        for table in self.values():
            await table.maybe_start()
        self._tables_registered.set()

    async def on_stop(self) -> None:
        """Stop the tables."""
        for table in self.values():
            await table.stop()

    async def wait_until_recovery_completed(self) -> bool:
        """Wait until the tables are whole for the first time; return True if stopped before."""
        return await self.wait_for_stopped(self._recovery_started.wait())

    def renew(self, numbers: Iterable[int], *, kept: Container[int]) -> list[Restoration]:
        """Make the stores of ``numbers`` anew and drop all others but those that are kept."""
        restorations = []
        for table in self.values():
            table.keep(kept)
            restorations += table.renew(numbers)
        return restorations

    def on_recovered(self) -> None:
        """Mark the tables as whole."""
        self._recovery_started.set()
        self.on_actives_ready()
        self.on_standbys_ready()


def current_batch() -> Batch:
    """Return the batch that the calling agent works on.

    Raises:
        RuntimeError: No agent is at work here.
    """
    event = current_event()
    if event is None:
        raise RuntimeError(
            "tables and topics are written while an agent works on a batch, not elsewhere"
        )
    return cast("Batch", event.value)
