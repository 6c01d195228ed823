import gzip
import itertools
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txfeatures.archive.recording import Arrival, RecordingWriter, read
from txfeatures.domain.errors import FatalError

TX = b'{"hash": "ab",  "time":1729334970, "tx_index":4309976964437063, "big":90071992547409931}'


def arrival(tx: bytes = TX, arrived_at: float = 1729334970.063) -> Arrival:
    return Arrival.of(arrived_at=arrived_at, tx=msgspec.Raw(tx))


def line(tx: bytes = TX) -> bytes:
    return b'{"arrived_at":1729334970.063,"tx":' + tx + b"}\n"


def write(path: Path, *batches: list[Arrival]) -> None:
    with RecordingWriter(path) as writer:
        for batch in batches:
            writer.write(batch)


def test_a_transaction_keeps_its_bytes_and_its_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(line())
    [found] = read(path)
    assert bytes(found.tx) == TX
    assert (found.arrived_at, found.time, found.tx_index, found.hash) == (
        1729334970.063, 1729334970, 4309976964437063, "ab",
    )  # fmt: skip


@pytest.mark.parametrize("written_as", ["a.ndjson", "a.ndjson.gz"])
def test_what_is_written_is_read_back_whatever_the_name_says(
    tmp_path: Path, written_as: str
) -> None:
    write(tmp_path / written_as, [arrival(), arrival(b"{}")], [], [arrival(b'{"a":1}')])
    renamed = (tmp_path / written_as).rename(tmp_path / "no-suffix")
    assert [bytes(a.tx) for a in read(renamed)] == [TX, b"{}", b'{"a":1}']


def test_a_name_that_ends_in_gz_is_gzipped(tmp_path: Path) -> None:
    write(tmp_path / "a.gz", [arrival()])
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == line()


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_a_second_writer_appends(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, [arrival()])
    write(tmp_path / name, [arrival(b"{}")])
    assert [bytes(a.tx) for a in read(tmp_path / name)] == [TX, b"{}"]


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_the_file_is_whole_after_every_batch_before_it_is_closed(tmp_path: Path, name: str) -> None:
    with RecordingWriter(tmp_path / name) as writer:
        writer.write([arrival()])
        assert len(list(read(tmp_path / name))) == 1
        writer.write([arrival()])
        assert len(list(read(tmp_path / name))) == 2


def test_an_indented_transaction_stays_on_one_line_and_means_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a", [arrival(b'{\r\n  "hash": "a\\nb"\n}')])
    [found] = read(tmp_path / "a")
    assert bytes(found.tx) == b'{    "hash": "a\\nb" }'
    assert found.hash == "a\nb"


@pytest.mark.parametrize(
    "tx",
    [b"{}", b"[]", b"null", b"7", b'{"hash":1,"time":"x","tx_index":true}', b'{"time":1.5}',
     b'{"hash":"\xff"}'],
)  # fmt: skip
def test_a_poison_transaction_is_an_arrival_with_nothing_in_its_keys(
    tmp_path: Path, tx: bytes
) -> None:
    (tmp_path / "a").write_bytes(line(tx))
    [found] = read(tmp_path / "a")
    assert (bytes(found.tx), found.time, found.tx_index, found.hash) == (tx, 0, 0, None)


def test_what_is_right_in_a_poison_transaction_is_kept() -> None:
    found = arrival(b'{"hash":null,"time":5,"tx_index":18446744073709551616}')
    assert (found.time, found.tx_index, found.hash) == (5, 2**64, None)


def test_blank_lines_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\n" + line() + b"  \n" + line())
    assert len(list(read(tmp_path / "a"))) == 2


@pytest.mark.parametrize(
    "broken",
    [b'{"arrived_at":1,"tx":{', b"nonsense", b"{}", b'{"arrived_at":"now","tx":{}}',
     b'{"arrived_at":-1,"tx":{}}', b'{"arrived_at":1e300,"tx":{}}', b"\xff\xfe"],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [False, True])
def test_a_broken_line_is_fatal_and_named_once_it_is_reached(
    tmp_path: Path, broken: bytes, zipped: bool
) -> None:
    path = tmp_path / "a"
    content = line() + b"\n" + broken + b"\n" + line()
    path.write_bytes(gzip.compress(content) if zipped else content)
    arrivals = read(path)
    assert bytes(next(arrivals).tx) == TX
    with pytest.raises(FatalError, match=rf"Line 3 of the recording {path} is broken .*: repair"):
        next(arrivals)


def test_a_cut_gzip_file_gives_its_whole_lines_and_then_is_fatal(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    write(path, [arrival()] * 3, [arrival(bytes(20_000 * b" ") + b"1")])
    path.write_bytes(path.read_bytes()[:-10])
    arrivals = read(path)
    assert len(list(itertools.islice(arrivals, 3))) == 3
    with pytest.raises(FatalError, match="can't be unzipped beyond line 3"):
        next(arrivals)


def test_a_missing_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"none can't be read \(No such file or directory\)"):
        read(tmp_path / "none")


def test_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FatalError, match="is empty"):
        read(tmp_path / "a")


def test_a_file_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(FatalError, match="can't be written"),
        RecordingWriter(tmp_path / "none" / "a"),
    ):
        pass


def test_a_full_disk_is_said() -> None:
    with (
        RecordingWriter(Path("/dev/full")) as writer,
        pytest.raises(FatalError, match="No space left on device"),
    ):
        writer.write([arrival(b" " * 100_000 + b"1")])


def test_a_closed_writer_refuses_to_write(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "a") as writer:
        pass
    with pytest.raises(RuntimeError, match="with statement"):
        writer.write([arrival()])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(tx=JSON, arrived_at=st.floats(0, 253_402_300_799))
def test_any_json_value_survives_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, tx: object, arrived_at: float
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.gz"
    raw = msgspec.json.encode(tx)
    write(path, [arrival(raw, arrived_at)])
    [found] = read(path)
    assert (bytes(found.tx), found.arrived_at) == (raw, arrived_at)


DEEP = b"[" * 100_000 + b"]" * 100_000


def test_a_line_that_is_nested_too_deeply_is_named_as_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(line() + line(DEEP))
    with pytest.raises(FatalError, match="Line 2 of the recording"):
        list(read(path))


def test_a_transaction_that_is_nested_too_deeply_is_kept_without_its_keys() -> None:
    found = arrival(b'{"hash":' + DEEP + b"}")
    assert (found.hash, found.time) == (None, 0)
