"""Expected rows, computed from transactions by code that shares nothing with the product."""

import gzip
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

ALL_BITCOIN = 2_100_000_000_000_000
HEAVIEST = 4_000_000
LARGEST_RATE = Fraction(2**37 - 1, 1000)
SMALLEST_STEP = Fraction(1, 1000)


def transactions(path: Path) -> list[dict[str, Any]]:
    """Return every transaction of a gzipped recording."""
    with gzip.open(path, "rt") as lines:
        return [json.loads(line)["tx"] for line in lines]


def minutes(path: Path) -> dict[str, tuple[int, int]]:
    """Return minute -> (number of transactions, sum of fees) of a recording."""
    return {
        name: (len(members), sum(tx["fee"] for tx in members))
        for name, members in by_minute(transactions(path)).items()
    }


def by_minute(found: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return minute -> its transactions, each once."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for tx in {tx["hash"]: tx for tx in found}.values():
        start = time.gmtime(tx["time"] - tx["time"] % 60)
        grouped.setdefault(time.strftime("%Y-%m-%d %H:%M:%S", start), []).append(tx)
    return grouped


def features(found: Sequence[Mapping[str, Any]]) -> dict[str, int | float]:
    """Return the expected features of the transactions of a minute, with exact quantiles."""
    count = len(found)
    fees = sorted(tx["fee"] for tx in found)
    rates = sorted(rate for tx in found if (rate := fee_rate(tx)) is not None)
    return {
        "total_nb_trx_1min": count,
        "total_fee_1min": sum(fees),
        "avg_fee_1min": float(sum(fees)) / count if count else 0.0,
        "min_fee_1min": fees[0] if fees else 0,
        "max_fee_1min": fees[-1] if fees else 0,
        "fee_rate_p10_1min": float(at_least(rates, 10)),
        "fee_rate_p50_1min": float(at_least(rates, 50)),
        "fee_rate_p90_1min": float(at_least(rates, 90)),
        "total_vsize_1min": sum(vsize(tx) or 0 for tx in found),
        "total_output_value_1min": sum(map(output_value, found)),
        "rbf_share_1min": sum(tx.get("rbf") is True for tx in found) / count if count else 0.0,
    }


def at_least(ascending: Sequence[Fraction], percent: int) -> Fraction:
    """Return the first value that at least ``percent`` % do not exceed; 0 if there is none."""
    for position, value in enumerate(ascending, start=1):
        if Fraction(position, len(ascending)) >= Fraction(percent, 100):
            return value
    return Fraction(0)


def is_close(name: str, found: object, true: float) -> bool:
    """Return whether a feature is right: equal or, for a quantile, within 1 %."""
    if not name.startswith("fee_rate_p"):
        return found == true
    assert isinstance(found, float)
    true = min(true, float(LARGEST_RATE))
    return abs(found - true) <= max(0.01 * true, float(SMALLEST_STEP))


def fee_rate(tx: Mapping[str, Any]) -> Fraction | None:
    """Return satoshi per virtual byte; None without a size."""
    size = vsize(tx)
    return Fraction(tx["fee"], size) if size else None


def vsize(tx: Mapping[str, Any]) -> int | None:
    """Return virtual bytes; the size if the weight is invalid, None if both are."""
    if is_whole(tx.get("weight"), 1, HEAVIEST):
        return -(-int(tx["weight"]) // 4)
    return int(tx["size"]) if is_whole(tx.get("size"), 1, HEAVIEST) else None


def output_value(tx: Mapping[str, Any]) -> int:
    """Return satoshi of all outputs; 0 if one of them or their sum is invalid."""
    try:
        values = [output["value"] for output in tx["out"]]
    except (KeyError, TypeError):
        return 0
    is_valid = all(is_whole(value, 0, ALL_BITCOIN) for value in values)
    return sum(values) if is_valid and sum(values) <= ALL_BITCOIN else 0


def is_whole(value: object, least: int, most: int) -> bool:
    """Return whether ``value`` is an integer from ``least`` to ``most``."""
    return type(value) is int and least <= value <= most
