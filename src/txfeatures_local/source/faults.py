"""Failing answers of the endpoint, recorded and imagined.

A fault is a function from the good body that the endpoint would have sent to the
answer it sends instead.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from txfeatures.domain.errors import FatalError

JSON = "application/json"
_DEFAULT_STATUS = 403  # what Cloudflare's refusals have; a recorded body may lack its status


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer.

    Attributes:
        status: The HTTP status.
        content_type: The Content-Type header.
        body: The body, before any content encoding.
        headers: Further headers.
        reset: Whether the connection is reset in the middle of the body.
    """

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    reset: bool = False


Fault = Callable[[bytes], Answer]


def reply(status: int, body: bytes, content_type: str = JSON) -> Fault:
    """Return a fault that always gives the same answer."""
    answer = Answer(status=status, content_type=content_type, body=body)
    return lambda _good: answer


def too_many_requests(retry_after: str = "1") -> Fault:
    """Return 429 with a ``Retry-After`` header: seconds or an HTTP date."""
    answer = Answer(
        status=429,
        content_type="text/plain",
        body=b"Too many requests",
        headers=(("Retry-After", retry_after),),
    )
    return lambda _good: answer


def truncated_json(good: bytes) -> Answer:
    """Send the first half of the JSON, as a whole HTTP answer."""
    return Answer(status=200, content_type=JSON, body=good[: len(good) // 2])


def reset_in_mid_body(good: bytes) -> Answer:
    """Reset the connection after half of the body."""
    return Answer(status=200, content_type=JSON, body=good, reset=True)


null_txs = reply(200, b'{"txs":null}')

IMAGINED: tuple[Fault, ...] = (too_many_requests(), truncated_json, null_txs, reset_in_mid_body)
"""Possible faults of which no recording exists."""


class _RecordedError(msgspec.Struct):
    body: str
    http: int | None = None
    ctype: str | None = None


def read_errors(path: Path) -> tuple[Fault, ...]:
    """Read recorded error bodies: one JSON a line, with ``http``, ``ctype`` and ``body``.

    Raises:
        FatalError: The file can't be read, is empty, or a line of it is broken.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise FatalError(
            f"The recorded errors {path} can't be read ({error.strerror}): name a file that exists."
        ) from error
    faults = tuple(
        _recorded(line, where=f"Line {number} of the recorded errors {path}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )
    if not faults:
        raise FatalError(f"The recorded errors {path} are empty: name another file.")
    return faults


def _recorded(line: bytes, *, where: str) -> Fault:
    try:
        error = msgspec.json.decode(line, type=_RecordedError)
    except (msgspec.DecodeError, UnicodeDecodeError) as cause:
        raise FatalError(f"{where} is broken ({cause}): repair or delete that line.") from cause
    return reply(error.http or _DEFAULT_STATUS, error.body.encode(), error.ctype or "text/plain")


class Faults:
    """A sequence of decisions: for each request a fault, or None for a good answer.

    Args:
        script: The decisions for the first requests, in order.
        kinds: The faults to draw from after the script.
        rate: The share of requests that fail after the script, 0 to 1.
        seed: Of the drawing: the same seed fails the same requests in the same way.

    Raises:
        FatalError: The rate is no share.
    """

    def __init__(
        self,
        *,
        script: Iterable[Fault | None] = (),
        kinds: Sequence[Fault] = IMAGINED,
        rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not 0 <= rate <= 1:
            raise FatalError(f"The error rate is a share from 0 to 1, not {rate}: 0 is no errors.")
        random_ = random.Random(seed)  # noqa: S311 - repeatable on purpose
        drawn = (
            random_.choice(kinds) if random_.random() < rate else None for _ in itertools.count()
        )
        self._decisions = itertools.chain(script, drawn)

    def next(self) -> Fault | None:
        """Return the fault of the next request, or None if it is answered well."""
        return next(self._decisions)
