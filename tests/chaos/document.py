"""The result of a run as data, for JSON and for the page."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from kafka_local import KAFKA_VERSION

from tests.chaos.history import History
from tests.chaos.parts import Ending
from tests.chaos.verdicts import Truth, Verdict
from tests.support.result import commit, machine, today

if TYPE_CHECKING:
    from tests.chaos.run import Options

PACKAGES = ("txfeatures", "faust-microbatch", "confluent-kafka", "faust-streaming", "boto3")
EXAMPLES = 20
"""Most contradictions of an invariant in the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A fault that was caused, or that had no effect.

    Attributes:
        evidence: What shows that it took effect; empty if nothing does.
        reason: Why it had none.
        waited: Whether the next fault waited for the recovery; only then is it measured.
        recovery_s: Seconds from its end until all that was shown up to the next answer was
            counted online.
    """

    number: int
    kind: str
    victim: str
    began_s: float
    lasted_s: float
    evidence: str
    reason: str
    waited: bool
    recovery_s: float | None


def document(
    *,
    options: "Options",
    happened: Sequence[Happened],
    steady: Sequence[float],
    verdicts: Sequence[Verdict],
    truth: Truth,
    history: History,
    seconds: float,
    offered: int,
    endings: Sequence[Ending],
) -> dict[str, Any]:
    """Return everything that a reader of the run needs."""
    by_name = {verdict.name: verdict for verdict in verdicts}
    counts = Counter(history.deduped.values())
    repeats = len(history.raw) - len(set(history.raw.values()))
    return {
        "system": "txfeatures",
        "seed": options.seed,
        "date": today(),
        "machine": machine(),
        "versions": {name: version(name) for name in PACKAGES} | {"kafka": KAFKA_VERSION},
        "commit": commit(),
        "size": asdict(options.size),
        "seconds": round(seconds),
        "transactions": len(truth.good),
        "offered": offered,
        "per_second": round(offered / seconds) if seconds else 0,
        "poison": len(truth.poison),
        "future": len(truth.future),
        "minutes": len(truth.minutes),
        "lost": len(truth.good - counts.keys()),
        "doubled": sum(number - 1 for number in counts.values()),
        "repeats_in_raw": repeats,
        "verdicts": [
            {
                "name": verdict.name,
                "promise": verdict.promise,
                "checked": verdict.checked,
                "holds": verdict.holds,
                "found": verdict.found[:EXAMPLES],
            }
            for verdict in verdicts
        ],
        "holds": all(verdict.holds for verdict in by_name.values()),
        "steady_s": [round(each, 2) for each in steady],
        "faults": kinds_of(happened),
        "log": [asdict(each) for each in happened],
        "endings": [
            {"name": each.name, "code": each.code, "words": each.words} for each in endings
        ],
    }


def kinds_of(happened: Sequence[Happened]) -> dict[str, dict[str, Any]]:
    """Return, for each kind, how many happened, how many did not, and all recoveries."""
    found: Mapping[str, list[Happened]] = defaultdict(list)
    for each in happened:
        found[each.kind].append(each)
    return {
        kind: {
            "happened": sum(bool(each.evidence) for each in all_of_it),
            "without_effect": sum(not each.evidence for each in all_of_it),
            "recoveries_s": sorted(
                each.recovery_s
                for each in all_of_it
                if each.evidence and each.recovery_s is not None
            ),
        }
        for kind, all_of_it in sorted(found.items())
    }
