"""The life cycle of queries: queued, running, ended."""

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from featurestore_local.athena.errors import QueryError, invalid_request
from featurestore_local.athena.results import Column
from featurestore_local.clock import Clock

_PARALLEL = 4
_ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request of StartQueryExecution.

    Attributes:
        output: URI of the folder for the result.
        parameters: A SQL literal for each question mark of the query.
    """

    sql: str
    kind: str
    database: str
    output: str
    workgroup: str = "primary"
    parameters: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a query that succeeded."""

    columns: tuple[Column, ...] = ()
    scanned_bytes: int = 0


@dataclass(slots=True, kw_only=True)
class Execution:
    """A query since its submission."""

    order: Order
    submitted_at_s: float
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "QUEUED"
    reason: str | None = None
    completed_at_s: float | None = None
    outcome: Outcome = field(default_factory=Outcome)
    stop: Callable[[], None] | None = None

    @property
    def output_uri(self) -> str:
        """Return the URI of the result."""
        ending = "csv" if self.order.kind == "DML" else "txt"
        return f"{self.order.output.rstrip('/')}/{self.query_id}.{ending}"

    def described(self) -> dict[str, Any]:
        """Return the members of ``QueryExecution``."""
        took_s = (self.completed_at_s or self.submitted_at_s) - self.submitted_at_s
        status: dict[str, Any] = {
            "State": self.state,
            "SubmissionDateTime": self.submitted_at_s,
            "CompletionDateTime": self.completed_at_s,
            "StateChangeReason": self.reason,
        }
        if self.state == "FAILED":
            status["AthenaError"] = {
                "ErrorCategory": 2,  # the user's
                "Retryable": False,
                "ErrorMessage": self.reason,
            }
        order = self.order
        return {
            "QueryExecutionId": self.query_id,
            "Query": order.sql,
            "StatementType": order.kind,
            "ResultConfiguration": {"OutputLocation": self.output_uri},
            "QueryExecutionContext": {"Database": order.database, "Catalog": "awsdatacatalog"},
            "Status": {name: value for name, value in status.items() if value is not None},
            "Statistics": {
                "EngineExecutionTimeInMillis": int(took_s * 1000),
                "TotalExecutionTimeInMillis": int(took_s * 1000),
                "DataScannedInBytes": self.outcome.scanned_bytes,
            },
            "WorkGroup": order.workgroup,
            "EngineVersion": {
                "SelectedEngineVersion": "AUTO",
                "EffectiveEngineVersion": "Athena engine version 3",
            },
        }


class Executions:
    """All queries of the account, a few of which run at the same time.

    Args:
        run: Runs the order of an execution, after setting its ``stop``.
        clock: Dates the starts and ends of queries.
    """

    def __init__(self, run: Callable[[Execution], Outcome], clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[str, Execution] = {}
        self._by_token: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="athena")

    def submit(self, order: Order, token: str | None) -> str:
        """Queue a query and return its id; the same token gives the same id."""
        with self._lock:
            if token is not None and token in self._by_token:
                known = self._found[self._by_token[token]]
                if known.order != order:
                    raise invalid_request("Idempotent parameters do not match")
                return known.query_id
            execution = Execution(order=order, submitted_at_s=self._clock.now())
            self._found[execution.query_id] = execution
            if token is not None:
                self._by_token[token] = execution.query_id
        self._threads.submit(self._perform, execution)
        return execution.query_id

    def get(self, query_id: str) -> Execution:
        """Return a query.

        Raises:
            AwsError: InvalidRequestException; there is none of that id.
        """
        with self._lock:
            if query_id not in self._found:
                raise invalid_request(f"QueryExecution {query_id} was not found")
            return self._found[query_id]

    def newest(self) -> Sequence[Execution]:
        """Return all queries, newest first."""
        with self._lock:
            return list(self._found.values())[::-1]

    def cancel(self, query_id: str) -> None:
        """End a query early; one that has ended stays as it is.

        Raises:
            AwsError: InvalidRequestException; there is none of that id.
        """
        execution = self.get(query_id)
        self._end(execution, "CANCELLED", "Query cancelled by user")
        with self._lock:
            stop = execution.stop
        if stop is not None:
            stop()

    def close(self) -> None:
        """End all queries and wait for their threads."""
        for execution in self.newest():
            self.cancel(execution.query_id)
        self._threads.shutdown()

    def _perform(self, execution: Execution) -> None:
        with self._lock:
            if execution.state != "QUEUED":
                return
            execution.state = "RUNNING"
        try:
            outcome = self._run(execution)
        except QueryError as error:
            self._end(execution, "FAILED", str(error))
        except Exception as error:  # noqa: BLE001  # a thread's errors would be lost
            self._end(execution, "FAILED", f"GENERIC_INTERNAL_ERROR: {error!r}")
        else:
            self._end(execution, "SUCCEEDED", None, outcome)

    def _end(
        self, execution: Execution, state: str, reason: str | None, outcome: Outcome | None = None
    ) -> None:
        with self._lock:
            if execution.state not in _ENDED:
                execution.state, execution.reason = state, reason
                execution.completed_at_s = self._clock.now()
                execution.outcome = outcome or execution.outcome


def read_order(params: Mapping[str, Any], *, kind: str, output: str) -> Order:
    """Return the order of a StartQueryExecution request."""
    context = params.get("QueryExecutionContext", {})
    return Order(
        sql=params["QueryString"],
        kind=kind,
        database=context.get("Database", "default").lower(),
        output=output,
        workgroup=params.get("WorkGroup", "primary"),
        parameters=tuple(params.get("ExecutionParameters", ())),
    )
