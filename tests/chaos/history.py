"""What is left of a run when it is over: every topic, both stores and the archive."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import msgspec

from tests.chaos.ledger import MINUTE_S, START_S, Total
from tests.chaos.observations import client, record
from tests.chaos.stand import Stand
from tests.support.declared import FEATURES
from txfeatures.archive.bucket import S3Bucket
from txfeatures.archive.reading import fetch, live_objects, relation
from txfeatures.domain import wire
from txfeatures.domain.features import minute_name
from txfeatures.domain.model import Record
from txfeatures.domain.topics import AGGREGATED, DEDUPED, LATE, RAW, dead_letter_topic
from txfeatures.feature_store.offline import OfflineStore
from txfeatures.history.engine import engine
from txfeatures.kafka.source import KafkaSource, committed_ends
from txfeatures.process.settings import AwsSettings

HASH_LENGTH = 64
Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A revision of a minute's row, wherever it was found."""

    minute: str
    revision: int
    is_final: bool
    total: Total
    late: int = 0
    place: Place = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter: the digest of its bytes, and its origin if it was a record."""

    digest: str
    origin: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    place: Place
    id: str


@dataclass(slots=True, kw_only=True)
class History:
    """The outcome of a run.

    Attributes:
        raw: Place -> id, for records of transactions.
        odd: Place -> digest of the bytes, for records of raw that are none.
        deduped: Place -> id.
        rows: Rows of aggregated, in the order of each partition.
        letters: Dead letters of raw.
        late: Ids of the transactions that were set aside.
        archived: Rows of the archive.
        objects: Partition and first offset of the archive's objects.
        online: Newest row of each minute in the online store.
        offline: All rows of the offline store.
        audit: Exit code and last words of ``txfeatures audit``.
        stages: The audit's ledger of the topics, by stage.
    """

    raw: dict[Place, str] = field(default_factory=dict)
    odd: dict[Place, str] = field(default_factory=dict)
    deduped: dict[Place, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    archived: list[Archived] = field(default_factory=list)
    objects: frozenset[Place] = frozenset()
    online: list[Row] = field(default_factory=list)
    offline: list[Row] = field(default_factory=list)
    audit: tuple[int, str] = (0, "")
    stages: dict[str, dict[str, int]] = field(default_factory=dict)


def read(stand: Stand, *, until_s: int) -> History:
    """Read everything; the pipeline has come to rest.

    Args:
        until_s: The feed's time at the end.
    """
    found = History()
    for each in _records(stand, RAW):
        _put_raw(found, each)
    found.deduped = {_place(each): _id(each) for each in _records(stand, DEDUPED)}
    found.rows = [_row(each) for each in _records(stand, AGGREGATED)]
    found.letters = [_letter(each) for each in _records(stand, dead_letter_topic(RAW))]
    found.late = [_id(each) for each in _records(stand, LATE)]
    _read_stores(stand, found, until_s)
    _audit(stand, found)
    return found


def _records(stand: Stand, topic: str) -> Iterator[Record]:
    """Yield the committed records of a topic, but for ticks."""
    left = {part: end for part, end in committed_ends(stand.inside, topic).items() if end}
    with closing(KafkaSource(stand.inside, [topic], group=f"check-{topic}")) as source:
        while left:
            for each in source.poll(max_records=5000, timeout_s=1.0):
                if not wire.is_tick(each):
                    yield each
                if left.get(each.partition) == each.offset + 1:
                    del left[each.partition]


def _put_raw(found: History, each: Record) -> None:
    if each.key is not None and len(each.key) == HASH_LENGTH:
        found.raw[_place(each)] = each.key.decode()
    else:
        found.odd[_place(each)] = digest(each.value)


def _place(each: Record) -> Place:
    return each.partition, each.offset


def _id(each: Record) -> str:
    return (each.key or b"").decode(errors="replace")


def digest(value: bytes | None) -> str:
    return hashlib.sha256(value or b"").hexdigest()


def _row(each: Record) -> Row:
    row = wire.decode_row(each.value, FEATURES)
    return Row(
        minute=str(row["tx_minute"]),
        revision=int(row["revision"]),
        is_final=row["is_final"] == 1,
        total=Total(int(row["total_nb_trx_1min"]), int(row["total_fee_1min"])),
        late=int(row["nb_late_trx_1min"]),
        place=_place(each),
    )


def _letter(each: Record) -> Letter:
    names = ("partition", "offset")
    found = [wire.header(each.headers, f"__streams.errors.{name}") for name in names]
    partition, offset = (None if value is None else int(value) for value in found)
    is_record = partition is not None and offset is not None
    return Letter(
        digest=digest(each.value),
        origin=(partition, offset) if is_record else None,  # type: ignore[arg-type]
    )


def _read_stores(stand: Stand, found: History, until_s: int) -> None:
    store = client(stand, "sagemaker-featurestore-runtime")
    stand.controls.flush()
    for minute in range(START_S - 10 * MINUTE_S, until_s + 10 * MINUTE_S, MINUTE_S):
        if values := record(store, minute_name(minute)):
            found.online.append(
                Row(
                    minute=values["tx_minute"],
                    revision=int(values["revision"]),
                    is_final=values["is_final"] == "1",
                    total=Total(int(values["total_nb_trx_1min"]), int(values["total_fee_1min"])),
                )
            )
    s3 = client(stand, "s3")
    settings = AwsSettings()
    bucket = S3Bucket(s3, settings.bucket)
    names = live_objects(bucket)
    found.objects = frozenset((name.shelf.partition, name.first) for name in names)
    with engine(stand.folder) as connection:
        files = fetch(bucket, names, stand.folder / "archive")
        rows = relation(connection, files).project("topic_partition, topic_offset, hash")
        found.archived = [Archived(place=(p, o), id=str(h)) for p, o, h in rows.fetchall()]
        offline = OfflineStore.locate(
            client(stand, "sagemaker"), s3, settings.feature_group, features=FEATURES
        )
        read = offline.read(
            connection, stand.folder / "offline", start_s=START_S - 3600, end_s=until_s + 3600
        )
        assert not read.damages, read.damages
        wanted = "tx_minute, revision, is_final, total_nb_trx_1min, total_fee_1min"
        found.offline = [
            Row(minute=m, revision=r, is_final=f == 1, total=Total(n, t))
            for m, r, f, n, t in read.rows.project(wanted).fetchall()
        ]


def _audit(stand: Stand, found: History) -> None:
    """Run the product's own audit, as its user would."""
    inside = {"TXF_KAFKA_BOOTSTRAP_SERVERS": stand.inside.bootstrap_servers}
    command = [sys.executable, "-m", "txfeatures", "audit", "--complete", "--kafka", "--json"]
    done = subprocess.run(
        command,
        cwd=stand.folder,
        env={**stand.environment(), **inside},
        capture_output=True,
        text=True,
        check=False,
    )
    words = done.stdout[-2000:] if done.stdout else done.stderr[-2000:]
    found.audit = done.returncode, words
    if done.stdout:
        report = msgspec.json.decode(done.stdout)
        found.stages = {stage.pop("name"): stage for stage in report["stages"]}
