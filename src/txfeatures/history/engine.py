"""A DuckDB without network and with bounded memory; the rest is on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

MEMORY = "1GB"
"""Memory limit of DuckDB; beyond it, DuckDB uses files in its directory."""


@contextmanager
def engine(directory: Path, *, memory: str = MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that is gone afterwards.

    Args:
        directory: For data that does not fit into memory.
        memory: In DuckDB's notation, ``1GB``.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(directory / "spilled"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        yield connection
