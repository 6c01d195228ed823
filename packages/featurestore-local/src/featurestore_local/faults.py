"""Faults that tests plan ahead, to rehearse how a client handles failures.

A fault is a JSON object such as ``{"operation": "PutRecord", "error": "ThrottlingException",
"times": 3}``. Calls that moto handles are named by service and method: ``s3:PUT``.
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

UNPROCESSED = "unprocessed"
HANG = "hang"
DROP = "drop"
COMMIT_THEN_DROP = "commit_then_drop"
BATCH_OPERATIONS = ("BatchGetRecord", "BatchWriteRecord")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A failure of the next calls of an operation.

    Attributes:
        operation: For example ``PutRecord``, or ``s3:PUT``.
        error: The code of an AWS error, or one of ``unprocessed`` (part of a batch is processed),
            ``hang`` (no answer), ``drop`` (the connection ends first) and
            ``commit_then_drop`` (the call succeeds, but its answer is lost).
        times: Number of calls that fail.
        after: Number of calls that are let through first.
        processed: With ``unprocessed``: number of entries, or of identifiers of each feature
            group, that are processed nevertheless.
        hang_s: With ``hang``: seconds until the connection ends.
        message: The error's text.
    """

    operation: str
    error: str
    times: Annotated[int, msgspec.Meta(ge=1)] = 1
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    processed: Annotated[int, msgspec.Meta(ge=0)] = 0
    hang_s: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    message: str = "Injected by the fault plan."

    def __post_init__(self) -> None:
        if self.error == UNPROCESSED and self.operation not in BATCH_OPERATIONS:
            raise ValueError(f"only {' and '.join(BATCH_OPERATIONS)} leave parts unprocessed")


class FaultPlan:
    """The faults still to come, in order, and the number of calls so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._counts: Counter[str] = Counter()

    def order(self, faults: list[Fault]) -> None:
        """Add faults after those already planned."""
        with self._lock:
            self._faults += faults

    def clear(self) -> None:
        """Remove all faults and counts."""
        with self._lock:
            self._faults.clear()
            self._counts.clear()

    def counts(self) -> dict[str, int]:
        """Return the number of calls per operation, regardless of their outcome."""
        with self._lock:
            return dict(self._counts)

    def next(self, operation: str) -> Fault | None:
        """Count a call and return its fault, if any."""
        with self._lock:
            self._counts[operation] += 1
            for index, fault in enumerate(self._faults):
                if fault.operation == operation:
                    return self._use(index, fault)
        return None

    def _use(self, index: int, fault: Fault) -> Fault | None:
        if fault.after:
            self._faults[index] = msgspec.structs.replace(fault, after=fault.after - 1)
            return None
        if fault.times > 1:
            self._faults[index] = msgspec.structs.replace(fault, times=fault.times - 1)
        else:
            del self._faults[index]
        return fault


def process_in_part(
    fault: Fault,
    handler: Callable[[dict[str, Any]], dict[str, Any] | None],
    params: dict[str, Any],
) -> dict[str, Any]:
    """Process the first parts of a batch and return the rest as unprocessed."""
    keep = fault.processed
    if "Entries" in params:
        entries = params["Entries"]
        result = handler(params | {"Entries": entries[:keep]}) or {}
        return result | {"UnprocessedEntries": entries[keep:]}
    ids = "RecordIdentifiersValueAsString"
    identifiers = params["Identifiers"]
    done = [each | {ids: each[ids][:keep]} for each in identifiers]
    left = [each | {ids: each[ids][keep:]} for each in identifiers if each[ids][keep:]]
    result = handler(params | {"Identifiers": done}) or {}
    return result | {"UnprocessedIdentifiers": left}
