"""What the rows must say, computed from a recording by code of the tests' own."""

import gzip
import json
import time
from pathlib import Path
from typing import Any


def transactions(path: Path) -> list[dict[str, Any]]:
    """Return every transaction of a gzipped recording."""
    with gzip.open(path, "rt") as lines:
        return [json.loads(line)["tx"] for line in lines]


def minutes(path: Path) -> dict[str, tuple[int, int]]:
    """Return minute -> (number of transactions, sum of fees) of a recording."""
    totals: dict[str, tuple[int, int]] = {}
    seen = set()
    for tx in transactions(path):
        if tx["hash"] in seen:
            continue
        seen.add(tx["hash"])
        start = time.gmtime(tx["time"] - tx["time"] % 60)
        name = time.strftime("%Y-%m-%d %H:%M:%S", start)
        count, fees = totals.get(name, (0, 0))
        totals[name] = (count + 1, fees + tx["fee"])
    return totals
