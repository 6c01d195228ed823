"""Requests and answers as values, apart from the library that carries them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from txfeatures.client.errors import BadAnswerError

JSON = "application/json"
EVENTS = "text/event-stream"
ARROW = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A GET request.

    Attributes:
        path: Below the api's address, such as ``/features/latest``.
        accept: Media types that the answer may have.
        last_event_id: Position after which a stream resumes.
    """

    path: str
    params: tuple[tuple[str, str], ...] = ()
    accept: str = JSON
    last_event_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that depend on the request."""
        headers = {"Accept": self.accept}
        if self.last_event_id is not None:
            headers["Last-Event-ID"] = self.last_event_id
        return headers

    def under(self, prefix: str) -> Self:
        """Return the same request with a path that begins with ``prefix``."""
        return replace(self, path=f"{prefix}{self.path}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer.

    Attributes:
        headers: By name in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the body, read as JSON.

        Raises:
            BadAnswerError: It is none.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise BadAnswerError(
                f"The answer is not JSON ({self.media_type or 'no media type'}); "
                "check that the address is that of the api."
            ) from error


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer: the connection failed, or took too long.

    Attributes:
        reason: A short clause for an error's sentence.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait before the next request."""

    seconds: float
