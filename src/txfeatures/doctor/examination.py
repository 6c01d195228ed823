"""The run of the checks, one after another, each within a deadline."""

import queue
import threading
from collections.abc import Iterable, Iterator

from txfeatures.doctor.finding import Check, Finding, Verdict, failure, skipped
from txfeatures.domain.errors import TxFeaturesError

DEADLINE_S = 30.0
"""Seconds for one check. Clients have shorter limits of their own, whose errors name the cause."""


def examine(checks: Iterable[Check], *, deadline_s: float = DEADLINE_S) -> Iterator[Finding]:
    """Yield the finding of each check when it is there.

    Args:
        checks: In an order in which each comes after those that it needs. A check that is needed
            and not among them counts as passed.
        deadline_s: Most seconds for one check. One that takes longer fails; its thread is left
            behind and ends with the process.
    """
    states: dict[str, str] = {}
    for check in checks:
        unmet = [need for need in check.needs if states.get(need, "ok") in {"failure", "skipped"}]
        if unmet:
            verdict = skipped(f"it needs `{unmet[0]}`, which did not pass")
        else:
            verdict = _judged(check, max(deadline_s, check.deadline_s))
        states[check.name] = verdict.state
        yield Finding(
            subject=check.subject,
            check=check.name,
            state=verdict.state,
            sentence=verdict.sentence,
        )


def _judged(check: Check, deadline_s: float) -> Verdict:
    verdicts: queue.SimpleQueue[Verdict] = queue.SimpleQueue()

    def judge() -> None:
        try:
            verdicts.put(check.judge())
        except TxFeaturesError as error:
            verdicts.put(failure(" / ".join(str(error).splitlines())))
        except Exception as error:  # noqa: BLE001 - the other checks must go on
            verdicts.put(
                failure(
                    f"this check has a defect ({type(error).__name__}: {error}); please report it"
                )
            )

    # A daemon: a client that hangs for ever must not keep the process.
    threading.Thread(target=judge, name=f"doctor: {check.name}", daemon=True).start()
    try:
        return verdicts.get(timeout=deadline_s)
    except queue.Empty:
        return failure(
            f"no answer within {deadline_s:g} s; check the network and the load of the other side, "
            "or give it longer with --deadline"
        )
