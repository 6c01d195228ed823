"""The asynchronous client, for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

import httpx

from txfeatures.client import connection, exchange, frames
from txfeatures.client.connection import Connection, Moment, Token
from txfeatures.client.exchange import Dialect, Outcome, Steps
from txfeatures.client.frames import Frame
from txfeatures.client.messages import Failure, Pause, Request
from txfeatures.client.retries import Retries
from txfeatures.client.row import Row
from txfeatures.client.subscription import ENDED, Subscription

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")


class AsyncFeatures:
    """A client of the api; use it as an asynchronous context manager, or call `aclose`.

    Its methods may be called from several tasks. Each stream takes a connection of its own.

    Args:
        url: Address of the api; by default that of ``TXFEATURES_URL``, else port 8000 here.
        token: A bearer token, or a function that returns a fresh one; by default that of
            ``TXFEATURES_TOKEN``.
        timeout_s: Longest wait for a connection, and for the next bytes of an answer.
        retries: Attempts of a call, and the waits between them.
        http: The HTTP client, for own certificates or proxies; `aclose` leaves it open.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: Token = None,
        timeout_s: float = 10.0,
        retries: Retries | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._connection = Connection(url, token=token, timeout_s=timeout_s)
        self._retries = retries or Retries()
        self._dialect = Dialect()
        self._is_own = http is None
        self._http = http or httpx.AsyncClient()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._is_own:
            await self._http.aclose()

    async def latest(self, *, final: bool = False, max_staleness_s: float | None = None) -> Row:
        """Return the newest row.

        Args:
            final: Only rows that are final.
            max_staleness_s: Refuse a row that is older than this by the feed's clock.

        Raises:
            NotFoundError: There is none yet.
            FeaturesError: As the class of the error describes.
        """
        request = connection.latest(final=final, max_staleness_s=max_staleness_s)
        return await self._run(exchange.one_row(request, self._dialect, self._retries))

    async def minute(self, moment: Moment) -> Row:
        """Return the row of the minute that holds ``moment``: a datetime, or ISO 8601 (UTC).

        Raises:
            NotFoundError: The minute has none.
            FeaturesError: As the class of the error describes.
        """
        return await self._run(
            exchange.one_row(connection.minute(moment), self._dialect, self._retries)
        )

    async def rows(self, start: Moment, end: Moment | None = None) -> list[Row]:
        """Return the rows from ``start`` to before ``end`` (default: all), oldest first."""
        request = connection.between(start, end, fields=None, accept="application/json")
        return frames.rows(await self._run(exchange.pages(request, self._dialect, self._retries)))

    @overload
    async def history(
        self,
        start: Moment,
        end: Moment | None = None,
        *,
        frame: Literal["pandas"] = "pandas",
        fields: Sequence[str] | None = None,
    ) -> "pd.DataFrame": ...

    @overload
    async def history(
        self,
        start: Moment,
        end: Moment | None = None,
        *,
        frame: Literal["polars"],
        fields: Sequence[str] | None = None,
    ) -> "pl.DataFrame": ...

    @overload
    async def history(
        self,
        start: Moment,
        end: Moment | None = None,
        *,
        frame: Literal["arrow"],
        fields: Sequence[str] | None = None,
    ) -> "pa.Table": ...

    async def history(
        self,
        start: Moment,
        end: Moment | None = None,
        *,
        frame: Frame = "pandas",
        fields: Sequence[str] | None = None,
    ) -> Any:
        """Return the rows from ``start`` to before ``end`` as one data frame, oldest first.

        Args:
            start: First minute, a datetime or ISO 8601; without a zone it is UTC.
            end: Minute after the last; by default all that there is.
            frame: ``pandas``, ``polars`` or ``arrow``; each is an extra of the distribution.
            fields: Only these columns.

        Raises:
            MissingPackageError: The package of ``frame`` is not installed.
            FeaturesError: As the class of the error describes.
        """
        frames.check(frame)
        request = connection.between(start, end, fields=fields, accept=frames.accepted())
        pages = await self._run(exchange.pages(request, self._dialect, self._retries))
        return frames.frame_of(pages, frame, fields)

    async def stream(
        self, *, after: Row | str | None = None, max_reconnects: int | None = None
    ) -> AsyncGenerator[Row, None]:
        """Yield rows as they become known, for ever; resume after every broken connection.

        No row is yielded twice, and none that is older than one of its minute before it. Close
        the iterator (`contextlib.aclosing`) to end the stream before the client.

        Args:
            after: A row, or its ``id``, of an earlier stream: the rows that became known since
                come first, at most a day back, and perhaps a few of other minutes again. By
                default the stream begins with the newest row.
            max_reconnects: Most vain reconnects in a row; by default there is no limit.

        Raises:
            UnsupportedError: The api has no stream.
            FeaturesError: As the class of the error describes.
        """
        subscription = Subscription(
            after=Subscription.position_of(after),
            dialect=self._dialect,
            retries=self._retries,
            max_reconnects=max_reconnects,
        )
        while True:
            outcome: Outcome = ENDED
            arguments = self._connection.arguments(subscription.request(), is_stream=True)
            try:
                async with self._http.stream(**arguments) as answer:
                    if subscription.is_open(answer.status_code, connection.headers_of(answer)):
                        async for chunk in answer.aiter_bytes():
                            for row in subscription.receive(chunk):
                                yield row
                    else:
                        outcome = connection.response_of(answer, await answer.aread())
            except httpx.TransportError as error:
                outcome = connection.failure_of(error)
            await asyncio.sleep(subscription.wait_s(outcome))

    async def _run(self, steps: Steps[T]) -> T:
        """Perform the steps of a call; return its result."""
        outcome: Outcome | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                outcome = None
            else:
                outcome = await self._send(step)

    async def _send(self, request: Request) -> Outcome:
        try:
            answer = await self._http.request(**self._connection.arguments(request))
        except httpx.TransportError as error:
            return connection.failure_of(error)
        except httpx.DecodingError as error:
            return Failure(str(error))
        return connection.response_of(answer, answer.content)
