"""Report of a benchmark: a JSON document, tables for the terminal, and a page of Markdown."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from kafka_local import KAFKA_VERSION
from rich import box
from rich.table import Table

from bench.contest import Result
from bench.latency import Latency
from bench.state import Measured
from bench.systems import PRODUCT


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table, with columns of words to the left of columns of numbers."""

    title: str
    words: Sequence[str]
    numbers: Sequence[str]
    rows: Sequence[Sequence[str]]


def machine(now_s: float) -> dict[str, str | int]:
    """Return the date and the machine of the figures."""
    return {
        "date": datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "kafka": f"{KAFKA_VERSION}, one broker, on the same cores",
    }


def document(
    results: Sequence[Result],
    latencies: Sequence[Latency],
    state: Sequence[Measured],
    about: Mapping[str, str | int],
) -> dict[str, Any]:
    """Return the results as a JSON document, with medians over the rounds."""
    return {
        "machine": dict(about),
        "results": [_entry(result) for result in results if result.rounds],
        "latency": [
            {
                "system": PRODUCT,
                "from": latency.begin,
                "to": latency.to,
                "polls": latency.polls,
                "p50_s": round(latency.p50_s, 3),
                "p99_s": round(latency.p99_s, 3),
            }
            for latency in latencies
        ],
        "state": [
            {"stage": one.stage, "what": one.what, "value": round(one.value, 2), "unit": one.unit}
            for one in state
        ],
        "skipped": [
            {
                "stage": result.stage,
                "system": result.system,
                "guarantee": result.guarantee,
                "why": result.skipped,
            }
            for result in results
            if result.skipped
        ],
    }


def write(path: Path, found: Mapping[str, Any]) -> None:
    """Write ``found`` as indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")


def sections(found: Mapping[str, Any]) -> list[Section]:
    """Return the tables of a document: one per stage, latencies, figures, and skipped systems."""
    entries: list[dict[str, Any]] = found["results"]
    shown = [
        _stage(name, [entry for entry in entries if entry["stage"] == name])
        for name in dict.fromkeys(entry["stage"] for entry in entries)
    ]
    latency = Section(
        title="latency",
        words=("from", "to"),
        numbers=("polls", "p50 s", "p99 s"),
        rows=[
            (
                one["from"],
                one["to"],
                str(one["polls"]),
                f"{one['p50_s']:.3f}",
                f"{one['p99_s']:.3f}",
            )
            for one in found["latency"]
        ],
    )
    state = Section(
        title="figures",
        words=("stage", "what"),
        numbers=("value", "unit"),
        rows=[
            (one["stage"], one["what"], f"{one['value']:,.10g}", one["unit"])
            for one in found["state"]
        ],
    )
    skipped = Section(
        title="skipped",
        words=("stage", "system", "guarantee", "why"),
        numbers=(),
        rows=[
            (one["stage"], one["system"], _words(one["guarantee"]), one["why"])
            for one in found["skipped"]
        ],
    )
    return [*shown, *(section for section in (latency, state, skipped) if section.rows)]


def table(section: Section) -> Table:
    """Return a section as a table for the terminal."""
    shown = Table(title=section.title, box=box.SIMPLE_HEAD)
    for column in section.words:
        shown.add_column(column)
    for column in section.numbers:
        shown.add_column(column, justify="right", no_wrap=True)
    for row in section.rows:
        shown.add_row(*row)
    return shown


def page(found: Mapping[str, Any]) -> str:
    """Return a document as a page of Markdown."""
    parts = [
        "# Benchmarks",
        "<!-- Written by `python -m bench --page docs/explanation/benchmarks.md`; do not edit. -->",
        "Medians over the rounds, of runs that took turns on one machine. The measurements and the"
        " set-up of each system are described in [bench/README.md](../../bench/README.md).",
        "\n".join(f"- {name}: {value}" for name, value in found["machine"].items()),
    ]
    for section in sections(found):
        parts += [f"## {section.title.capitalize()}", markdown(section)]
    return "\n\n".join(parts) + "\n"


def markdown(section: Section) -> str:
    """Return a section as a table of Markdown."""
    lines = [
        [*section.words, *section.numbers],
        [*("---" for _ in section.words), *("---:" for _ in section.numbers)],
        *section.rows,
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _entry(result: Result) -> dict[str, Any]:
    rounds = result.rounds
    return {
        "stage": result.stage,
        "system": result.system,
        "guarantee": result.guarantee,
        "records": result.records,
        "records_per_s": round(median(one.records_per_s for one in rounds)),
        "cpu_us_per_record": round(median(one.cpu_us_per_record for one in rounds), 2),
        "memory_mib": round(max(one.memory_mib for one in rounds)),
        "missing": max(one.count.missing for one in rounds),
        "duplicates": max(one.count.duplicates for one in rounds),
        "rounds": [round(one.records_per_s) for one in rounds],
    }


def _stage(name: str, entries: Sequence[Mapping[str, Any]]) -> Section:
    ours = next((e["records_per_s"] for e in entries if e["system"] == PRODUCT), None)
    return Section(
        title=name,
        words=("system", "guarantee"),
        numbers=("records", "records/s", "rounds", "CPU us", "MiB", "ratio", "lost", "doubled"),
        rows=[
            (
                entry["system"],
                _words(entry["guarantee"]),
                f"{entry['records']:,}",
                f"{entry['records_per_s']:,}",
                f"{min(entry['rounds']):,}-{max(entry['rounds']):,}",
                f"{entry['cpu_us_per_record']:.1f}",
                str(entry["memory_mib"]),
                _ratio(entry, ours),
                str(entry["missing"]),
                str(entry["duplicates"]),
            )
            for entry in entries
        ],
    )


def _ratio(entry: Mapping[str, Any], ours: int | None) -> str:
    """Return the speed of the product divided by that of ``entry``."""
    if ours is None or entry["system"] == PRODUCT:
        return ""
    return f"{ours / entry['records_per_s']:.2f}"


def _words(guarantee: str) -> str:
    return guarantee.replace("_", " ")


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="ascii", errors="replace").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
