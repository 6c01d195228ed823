"""Merging of Parquet files into one, in order of their rows; memory stays at one row group."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from txfeatures.archive.schema import SCHEMA, WRITE_OPTIONS
from txfeatures.domain.errors import FatalError

BATCH_ROWS = 1000
ROW_GROUP_ROWS = 20_000
ROW_GROUP_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedFile:
    """The contents of a merged file: number of rows, and offsets of the first and the last."""

    rows: int
    first: int
    last: int


def merge(files: Sequence[Path], into: Path, *, partition: int) -> MergedFile:
    """Write the rows of ``files``, with all columns of each, into one file.

    The same files give the same bytes.

    Args:
        files: Parts of one partition, by offset.
        into: The file to write.
        partition: Number of the partition.

    Raises:
        FatalError: A file can't be read, a row is of another partition, or the offsets do
            not strictly increase; such objects must not be merged.
    """
    try:
        return _merge(files, into, partition)
    except (pa.ArrowException, OSError) as error:
        raise FatalError(
            f"an object can't be read as part of the archive ({error}); run `txfeatures audit`"
        ) from error


def _merge(files: Sequence[Path], into: Path, partition: int) -> MergedFile:
    footers = [pq.read_metadata(file) for file in files]
    schema = pa.unify_schemas([SCHEMA, *(each.schema.to_arrow_schema() for each in footers)])
    rows, first, last = 0, -1, -1
    with pq.ParquetWriter(into, schema, **WRITE_OPTIONS) as writer:
        for group in _row_groups(files, schema):
            offsets = group["topic_offset"].to_pylist()
            if set(group["topic_partition"].unique().to_pylist()) != {partition} or any(
                after <= before for before, after in zip([last, *offsets], offsets, strict=False)
            ):
                raise FatalError(
                    f"objects of partition {partition} overlap at offset {offsets[0]} and are left "
                    "unchanged: was the archive cut in two ways (TXF_FS_WRITER_ARCHIVE_*)?"
                )
            writer.write_table(group, row_group_size=len(offsets))
            rows, last = rows + len(offsets), offsets[-1]
            first = offsets[0] if first < 0 else first
    if not rows or rows != sum(footer.num_rows for footer in footers):
        raise FatalError(
            f"{len(files)} objects hold {rows} rows, which is not the number in their footers"
        )
    return MergedFile(rows=rows, first=first, last=last)


def _row_groups(files: Sequence[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    rows = size_bytes = 0
    for table in _batches(files):
        waiting.append(_conform(table, schema))
        rows += table.num_rows
        size_bytes += table.nbytes
        if rows >= ROW_GROUP_ROWS or size_bytes >= ROW_GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size_bytes = [], 0, 0
    if waiting:
        yield pa.concat_tables(waiting)


def _batches(files: Sequence[Path]) -> Iterator[pa.Table]:
    for file in files:
        with pq.ParquetFile(file, page_checksum_verification=True) as reader:
            for batch in reader.iter_batches(batch_size=BATCH_ROWS):
                yield pa.Table.from_batches([batch])


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return ``table`` with the columns of ``schema``; a missing column is null."""
    there = set(table.column_names)
    columns = [
        table[field.name] if field.name in there else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
