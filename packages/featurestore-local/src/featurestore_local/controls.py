"""Controls for tests, which AWS doesn't offer.

======  ==================  ==========================================================
POST    ``/_local/faults``  plan faults: a JSON list of ``faults.Fault``
DELETE  ``/_local/faults``  clear faults and counts
GET     ``/_local/counts``  calls per operation so far
POST    ``/_local/flush``   write offline rows now; returns how many are left
======  ==================  ==========================================================
"""

from collections.abc import Callable
from typing import Any

import msgspec

from featurestore_local.faults import Fault, FaultPlan
from featurestore_local.wire import Answer, Request

FLUSH = {"REQUEST_METHOD": "POST", "RAW_URI": "/_local/flush", "QUERY_STRING": ""}
"""The WSGI strings of a request to write offline rows."""


class Controls:
    """Handles the paths under ``/_local/``.

    Args:
        plan: The fault plan.
        flush: Writes the offline rows; returns how many could not be written.
    """

    def __init__(self, plan: FaultPlan, flush: Callable[[], int]) -> None:
        self._plan = plan
        self._flush = flush

    def __call__(self, request: Request) -> Answer:
        """Handle one request."""
        match request.method, request.path:
            case "POST", "/_local/faults":
                return self._order(request.body)
            case "DELETE", "/_local/faults":
                self._plan.clear()
                return _json(200, {})
            case "GET", "/_local/counts":
                return _json(200, self._plan.counts())
            case "POST", "/_local/flush":
                return _json(200, {"rows_left": self._flush()})
            case _:
                return _json(404, {"message": "There is no such path under /_local/."})

    def _order(self, body: bytes) -> Answer:
        try:
            self._plan.order(msgspec.json.decode(body, type=list[Fault]))
        except msgspec.DecodeError as error:
            return _json(400, {"message": f"Send a JSON list of faults: {error}"})
        return _json(200, {})


def _json(status: int, content: dict[str, Any]) -> Answer:
    return Answer(
        status=status,
        headers=(("Content-Type", "application/json"),),
        body=msgspec.json.encode(content),
    )
