"""Text that stands in files, keys and environments: names, recordings, rows, settings, times."""

import os
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz.fuzzing import ANOTHER, fuzz
from tests.fuzz.material import TOKENS, damaged, transaction_texts
from tests.support.declared import FEATURES
from tests.unit.txfeatures.archive.memory_bucket import MemoryBucket
from txfeatures.archive import recording
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.skips import Skip, skips, store_skip
from txfeatures.domain.errors import FatalError, InvalidMessageError, SettingsError
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Row
from txfeatures.feature_store.codec import to_row, to_values
from txfeatures.process.settings import environment_names, load
from txfeatures_poller.settings import Settings

SHELF = Shelf.at(1_729_334_970, 3, topic="A" * 22)
NAMES = [ObjectName(shelf=SHELF, first=5), ObjectName(shelf=SHELF, first=5, last=9)]
SKIP = Skip(
    topic="A" * 22, partition=0, committed_offset=1, first_offset=5, records=4, reason="expired"
)
ROW: Row = {"tx_minute": "2024-10-19 10:49:00", "revision": 1, "is_final": 1, "event_time": 1.5e9}
DATES = st.sampled_from(
    [
        b"2024-10-19 10:49:00",
        b"0001-01-01 00:00:00",
        b"2024-10-19T10:49:00Z",
        b"2024-02-30 00:00:00",
    ]
)


def text(value: bytes) -> str:
    return value.decode(errors="replace")


@fuzz(
    damaged(
        st.sampled_from([each.encode() for name in NAMES for each in (name.key, SHELF.manifest)])
    ),
    reaches=["an object", "a manifest", "neither"],
)
def test_a_key_names_what_it_was_made_from_or_nothing(key: bytes) -> set[str]:
    if name := ObjectName.parse(text(key)):
        assert name.key == text(key) or name.last is not None
        return {"an object"}
    if shelf := Shelf.of_manifest(text(key)):
        assert Shelf.of_manifest(shelf.manifest) == shelf
        return {"a manifest"}
    return {"neither"}


@fuzz(
    damaged(st.just("".join(f"s3://txfeatures/{name.key}\n" for name in NAMES).encode())),
    reaches=["read", "damaged"],
)
def test_a_manifest_is_read_or_damaged(body: bytes) -> set[str]:
    bucket = MemoryBucket()
    bucket.put(SHELF.manifest, body, content_type="text/plain")
    try:
        found = Manifests(bucket).read(SHELF)
    except FatalError as error:
        return {"damaged" if SHELF.manifest in str(error) else ANOTHER}
    assert found.live
    return {"read"}


@fuzz(
    damaged(st.just(b'{"topic":"t","partition":0,"committed_offset":1,"first_offset":5,"records":4,"reason":"expired"}')),
    reaches=["read", "damaged"],
)  # fmt: skip
def test_a_note_of_a_skip_is_read_or_damaged(body: bytes) -> set[str]:
    bucket = MemoryBucket()
    store_skip(bucket, SKIP)
    assert skips(bucket) == [SKIP]
    bucket.put(SKIP.key, body, content_type="application/json")
    try:
        assert len(skips(bucket)) == 1
    except FatalError as error:
        return {"damaged" if SKIP.key in str(error) else ANOTHER}
    return {"read"}


@fuzz(
    st.lists(
        damaged(transaction_texts().map(lambda tx: b'{"arrived_at":1.5,"tx":' + tx + b"}")),
        max_size=3,
    ),
    reaches=["read", "broken"],
)
def test_a_recording_is_read_up_to_its_first_broken_line(lines: list[bytes]) -> set[str]:
    outcomes: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording"
        path.write_bytes(b"\n".join(lines))
        try:
            for arrival in recording.read(path):
                assert recording.Arrival.of(arrived_at=1.0, tx=arrival.tx).tx == arrival.tx
                outcomes.add("read")
        except FatalError as error:
            outcomes.add("broken" if str(path) in str(error) else ANOTHER)
    assert ANOTHER not in outcomes
    return outcomes


@fuzz(damaged(DATES), reaches=["a minute", "bad_minute"])
def test_a_minute_is_written_in_one_way(name: bytes) -> set[str]:
    try:
        start_s = minute_start_s(text(name))
    except InvalidMessageError as error:
        return {error.reason}
    assert minute_name(start_s) == text(name)
    return {"a minute"}


@fuzz(
    st.dictionaries(
        st.sampled_from(sorted(ROW)),
        st.one_of(damaged(DATES), st.sampled_from(TOKENS), st.binary(max_size=9)).map(text),
        max_size=2,
    ),
    reaches=["read", "bad_event_time", "bad_tx_minute", "bad_revision"],
)
def test_a_record_of_the_store_is_a_row_or_has_a_reason(changes: dict[str, str]) -> set[str]:
    try:
        row = to_row({**to_values(ROW), **changes}, FEATURES)
    except InvalidMessageError as error:
        return {error.reason}
    assert to_row(to_values(row), FEATURES) == row
    return {"read"}


VARIABLES = sorted(name for name in environment_names(Settings) if not name.endswith("_FILE"))


@fuzz(
    st.dictionaries(
        st.one_of(st.sampled_from(VARIABLES), st.just("TXF_POLLER_UNKNOWN")),
        st.one_of(
            st.sampled_from([text(each) for each in TOKENS]),
            st.sampled_from(["1", "2.5", "info", "http://a", "http://[", "::1", "\u0661", " "]),
        ),
        max_size=3,
    ),
    reaches=["started", "refused"],
)  # fmt: skip
def test_settings_are_taken_or_refused_in_sentences(environ: dict[str, str]) -> set[str]:
    before = dict(os.environ)
    os.environ.update(environ)
    try:
        load(Settings)
    except SettingsError as error:
        return {"refused" if str(error) else ANOTHER}
    finally:
        os.environ.clear()
        os.environ.update(before)
    return {"started"}
