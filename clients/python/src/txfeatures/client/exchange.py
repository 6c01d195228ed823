"""One call of the api: its requests, retries and errors, without input or output.

A call is a generator. It yields each `Request` and receives the `Response` or the `Failure`; it
yields each `Pause` and is resumed after it. Both clients drive the same generators.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from txfeatures.client.errors import (
    BadAnswerError,
    FeaturesError,
    NotFoundError,
    RefusedError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from txfeatures.client.messages import Failure, Pause, Request, Response
from txfeatures.client.retries import RETRIED, Retries, retry_after_s
from txfeatures.client.row import Row

T = TypeVar("T")

Outcome = Response | Failure
Steps = Generator[Request | Pause, Outcome | None, T]

V1 = "/v1"
NOT_FOUND, TOO_MANY = 404, 429


@dataclass(slots=True)
class Dialect:
    """The paths that the api serves: releases before 0.2 have none under ``/v1``.

    Attributes:
        prefix: The prefix of every path.
        is_known: True once an answer has shown that the prefix is right.
    """

    prefix: str = V1
    is_known: bool = False

    @property
    def has_v1(self) -> bool:
        """False if the api is older than ``/v1``."""
        return self.prefix == V1


def ask(request: Request, dialect: Dialect, retries: Retries) -> Steps[Response]:
    """Return the answer of success to ``request``.

    Raises:
        FeaturesError: There is none.
    """
    response = yield from _patiently(request.under(dialect.prefix), retries)
    if response.status == NOT_FOUND and not dialect.is_known:
        older = yield from _patiently(request, retries)
        if older.status != NOT_FOUND:
            # The row may have come between the two requests: an older api still has no /v1.
            response = yield from _patiently(request.under(dialect.prefix), retries)
            if response.status == NOT_FOUND:
                dialect.prefix, response = "", older
    if is_success(response):
        dialect.is_known = True
        return response
    raise error_of(response)


def one_row(request: Request, dialect: Dialect, retries: Retries) -> Steps[Row]:
    """Return the row that answers ``request``."""
    response = yield from ask(request, dialect, retries)
    return Row.of(response.json())


def pages(request: Request, dialect: Dialect, retries: Retries) -> Steps[list[Response]]:
    """Return the answers to ``request`` and to the cursors that lead on from it."""
    found: list[Response] = []
    seen: set[str] = set()
    following = request.params
    while True:
        page = Request(path=request.path, params=following, accept=request.accept)
        found.append((yield from ask(page, dialect, retries)))
        cursor = next_cursor(found[-1])
        if cursor is None:
            return found
        if cursor in seen:
            raise BadAnswerError(f"The api repeats the page {cursor!r}; please report it.")
        seen.add(cursor)
        name, replaced = ("cursor", {"from", "to"}) if dialect.has_v1 else ("from", {"from"})
        following = (*(p for p in request.params if p[0] not in replaced), (name, cursor))


def next_cursor(response: Response) -> str | None:
    """Return the cursor of the page after ``response``, from its body or its ``Link``."""
    if response.media_type.endswith("json"):
        body = response.json()
        cursor = body.get("next") if isinstance(body, dict) else None
        return None if cursor is None else str(cursor)
    for link in response.headers.get("link", "").split(","):
        target, *parameters = link.split(";")
        if any(p.strip().replace('"', "") == "rel=next" for p in parameters):
            # Only the cursor is taken, so that a forged link leads nowhere else.
            found = parse_qs(urlsplit(target.strip(" <>")).query).get("cursor")
            return found[0] if found else None
    return None


def is_success(response: Response) -> bool:
    """Return whether the status is 2xx."""
    return 200 <= response.status < 300


def error_of(outcome: Outcome) -> FeaturesError:
    """Return the error of an outcome that is no success."""
    if isinstance(outcome, Failure):
        return UnavailableError(f"The api does not answer: {outcome.reason}; try again later.")
    status, detail = outcome.status, _detail(outcome)
    if status == TOO_MANY or status >= 500:
        kind = TooManyRequestsError if status == TOO_MANY else UnavailableError
        advice = "ask less often" if status == TOO_MANY else "try again later"
        return kind(
            detail or f"The api answers {status}; {advice}.", retry_after_s=retry_after_s(outcome)
        )
    if status in {401, 403}:
        return UnauthorizedError(
            detail or f"The api answers {status}; give a valid token.", status=status
        )
    if status == NOT_FOUND:
        return NotFoundError(
            detail or "The api answers 404; check its address, or ask for another minute.",
            status=status,
        )
    if 300 <= status < 400:
        return RefusedError(
            f"The api redirects to {outcome.headers.get('location', 'nowhere')!r}; "
            "give the client the address that it redirects to.",
            status=status,
        )
    return RefusedError(
        detail or f"The api answers {status}; check the address and the request.", status=status
    )


def _patiently(request: Request, retries: Retries) -> Steps[Response]:
    """Return the first answer that a retry can't improve."""
    failed = 0
    while True:
        outcome = yield request
        assert outcome is not None  # noqa: S101 - the driver answers every request
        if isinstance(outcome, Response) and outcome.status not in RETRIED:
            return outcome
        failed += 1
        asked_s = retry_after_s(outcome) if isinstance(outcome, Response) else None
        wait_s = retries.wait_s(failed, asked_s=asked_s)
        if wait_s is None:
            raise error_of(outcome)
        yield Pause(wait_s)


def _detail(response: Response) -> str:
    """Return the sentence of an RFC 9457 problem; empty if the answer is none."""
    if not response.media_type.endswith("json"):
        return ""
    try:
        problem: Any = response.json()
    except BadAnswerError:
        return ""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail if isinstance(detail, str) else ""
