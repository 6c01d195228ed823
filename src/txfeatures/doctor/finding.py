"""Checks, their verdicts, and the findings that are printed [pure]."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failure", "skipped"]
Subject = Literal["versions", "settings", "kafka", "aws", "feature store", "catalog", "doubts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of one check.

    Attributes:
        state: ``failure`` must be mended, ``warning`` may be wanted, ``skipped`` proves nothing.
        sentence: One sentence: the fact and, unless it is ok, the next step.
    """

    state: State
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check, as it is printed.

    Attributes:
        subject: The group that it stands in.
        check: Name of the check.
        state: See `Verdict`.
        sentence: See `Verdict`.
    """

    subject: Subject
    check: str
    state: State
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question and the way to answer it.

    Attributes:
        subject: The group that it stands in.
        name: Its name, unlike that of any other.
        judge: Returns the verdict; a `TxFeaturesError` that it raises is a failure.
        needs: Names of the checks that must have passed before, or it is skipped.
        deadline_s: Most seconds that it may take, if it needs longer than the others.
    """

    subject: Subject
    name: str
    judge: Callable[[], Verdict]
    needs: tuple[str, ...] = ()
    deadline_s: float = 0.0


def ok(sentence: str) -> Verdict:
    """Return the verdict that nothing is to be done."""
    return Verdict(state="ok", sentence=sentence)


def warning(sentence: str) -> Verdict:
    """Return the verdict that something may be wanted otherwise."""
    return Verdict(state="warning", sentence=sentence)


def failure(sentence: str) -> Verdict:
    """Return the verdict that something must be mended."""
    return Verdict(state="failure", sentence=sentence)


def skipped(sentence: str) -> Verdict:
    """Return the verdict that nothing was proved."""
    return Verdict(state="skipped", sentence=sentence)
