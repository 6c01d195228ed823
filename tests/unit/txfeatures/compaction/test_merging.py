from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.txfeatures.archive.parts import SHELF, part
from txfeatures.archive.layout import Shelf
from txfeatures.archive.schema import SCHEMA
from txfeatures.compaction import merging
from txfeatures.compaction.merging import MergedFile, merge
from txfeatures.domain.errors import FatalError


def file(folder: Path, offsets: range, *, shelf: Shelf = SHELF) -> Path:
    name, body, _ = part(offsets, shelf=shelf)
    path = folder / f"{shelf.partition}-{name.first}-{len(offsets)}.parquet"
    path.write_bytes(body)
    return path


def test_all_rows_are_there_in_order_byte_for_byte(tmp_path: Path) -> None:
    files = [file(tmp_path, range(5)), file(tmp_path, range(5, 9)), file(tmp_path, range(12, 13))]
    into = tmp_path / "into"
    assert merge(files, into, partition=0) == MergedFile(rows=10, first=0, last=12)
    expected = [row for each in files for row in pq.read_table(each).to_pylist()]
    assert pq.read_table(into).to_pylist() == expected
    assert pq.read_schema(into).equals(SCHEMA)


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    files = [file(tmp_path, range(5)), file(tmp_path, range(5, 9))]
    merge(files, tmp_path / "one", partition=0)
    merge(files, tmp_path / "two", partition=0)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_row_groups_are_large_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "ROW_GROUP_ROWS", 100)
    monkeypatch.setattr(merging, "BATCH_ROWS", 10)
    files = [file(tmp_path, range(start, start + 25)) for start in range(0, 250, 25)]
    merge(files, tmp_path / "into", partition=0)
    footer = pq.read_metadata(tmp_path / "into")
    sizes = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    assert sum(sizes) == 250
    assert all(100 <= size <= 110 for size in sizes[:-1])
    assert footer.row_group(0).column(0).compression == "ZSTD"


def test_columns_of_any_release_are_kept(tmp_path: Path) -> None:
    old, new = file(tmp_path, range(2)), file(tmp_path, range(2, 4))
    pq.write_table(pq.read_table(old).drop_columns(["weight"]), old)
    rows = pq.read_table(new)
    pq.write_table(rows.append_column("locktime", pa.array([7, 8], pa.int64())), new)
    merge([old, new], tmp_path / "into", partition=0)
    merged = pq.read_table(tmp_path / "into")
    assert merged.column_names == [*SCHEMA.names, "locktime"]
    assert merged["locktime"].to_pylist() == [None, None, 7, 8]
    assert merged["fee"].to_pylist() == [0, 1, 2, 3]


@pytest.mark.parametrize("second", [range(4, 8), range(5), range(2)])
def test_rows_that_would_stand_twice_are_refused(tmp_path: Path, second: range) -> None:
    files = [file(tmp_path, range(5)), file(tmp_path, second)]
    with pytest.raises(FatalError, match="overlap"):
        merge(files, tmp_path / "into", partition=0)


def test_rows_of_another_partition_are_refused(tmp_path: Path) -> None:
    other = Shelf(date=SHELF.date, hour=SHELF.hour, partition=1)
    files = [file(tmp_path, range(5)), file(tmp_path, range(5, 9), shelf=other)]
    with pytest.raises(FatalError, match="overlap"):
        merge(files, tmp_path / "into", partition=0)


@pytest.mark.parametrize("spoilt", [b"", b"PAR1", b"not parquet at all"])
def test_a_file_that_is_no_parquet_is_said_so(tmp_path: Path, spoilt: bytes) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(spoilt)
    with pytest.raises(FatalError, match="txfeatures audit"):
        merge([file(tmp_path, range(5)), bad], tmp_path / "into", partition=0)


def test_a_flipped_bit_is_found_before_it_is_compacted(tmp_path: Path) -> None:
    bad = file(tmp_path, range(50))
    column = pq.read_metadata(bad).row_group(0).column(SCHEMA.names.index("topic_offset"))
    body = bytearray(bad.read_bytes())
    body[column.data_page_offset + column.total_compressed_size - 10] ^= 1
    bad.write_bytes(bytes(body))
    with pytest.raises(FatalError, match="txfeatures audit"):
        merge([bad, file(tmp_path, range(50, 60))], tmp_path / "into", partition=0)


def test_a_column_of_another_type_is_said_so(tmp_path: Path) -> None:
    old, new = file(tmp_path, range(2)), file(tmp_path, range(2, 4))
    rows = pq.read_table(new)
    pq.write_table(rows.set_column(2, "fee", pa.array(["2", "3"])), new)
    with pytest.raises(FatalError, match="txfeatures audit"):
        merge([old, new], tmp_path / "into", partition=0)
