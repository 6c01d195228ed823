"""The findings as lines for a reader and for a program [pure]."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from txfeatures.doctor.finding import Finding, State

WORDS: Mapping[State, str] = {
    "ok": "ok", "warning": "warning", "failure": "FAILURE", "skipped": "skipped"
}  # fmt: skip

WORD_WIDTH = 9
CHECK_WIDTH = 31
_BEFORE = 2 + WORD_WIDTH + CHECK_WIDTH
_LEAST_WIDTH = 40


def sentence(finding: Finding, width: int | None) -> str:
    """Return a finding's sentence as it stands in the third column.

    Args:
        finding: The finding.
        width: Columns of the terminal; None for one line, however long.
    """
    if width is None:
        return finding.sentence
    return textwrap.fill(
        finding.sentence,
        width=max(_LEAST_WIDTH, width - _BEFORE),
        break_long_words=False,
        break_on_hyphens=False,
    ).replace("\n", "\n" + " " * _BEFORE)


def as_json(finding: Finding) -> str:
    """Return a finding as an object of JSON."""
    return json.dumps(asdict(finding))


def summary(findings: Iterable[Finding]) -> str:
    """Return the numbers of findings, by their state."""
    counts = Counter(finding.state for finding in findings)
    return (
        f"{counts['ok']} ok, {counts['warning']} warnings, {counts['failure']} failures, "
        f"{counts['skipped']} skipped"
    )
