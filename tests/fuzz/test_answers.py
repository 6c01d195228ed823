"""Answers of a source: bytes and headers in, transactions or the reason for none out."""

import gzip
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar

import httpx
import pytest
from hypothesis import strategies as st

from tests.fuzz.fuzzing import fuzz
from tests.fuzz.material import compact, damaged, transaction_texts, transactions
from txfeatures.process.clock import ManualClock
from txfeatures_poller.logic import Origin, record, select
from txfeatures_poller.source import LONGEST_RETRY_AFTER_S, HttpSource, PollFailedError

MAX_BODY_BYTES = 200_000
MAX_ELEMENTS = 6
ORIGIN = Origin(source="s", poller="p", poll_id=1, feed_time_ms=1, fetched_at_ms=1)
GOOD = [compact(transaction) for transaction in transactions()]


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    headers: tuple[tuple[str, str], ...]
    pieces: tuple[bytes, ...]


def encoded(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "gzip":
            return gzip.compress(body)
        case "deflate":
            return zlib.compress(body)
    return body


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    elements = draw(st.lists(st.one_of(st.sampled_from(GOOD), transaction_texts()), max_size=8))
    body = b'{"txs":[' + b",".join(elements) + b"]}"
    if draw(st.integers(0, 2)) == 0:
        body = draw(damaged(st.just(body)))
    encoding = draw(
        st.sampled_from(["", "", "", "identity", "gzip", "deflate", "gzip, gzip", "br"])
    )
    if draw(st.integers(0, 5)):
        body = encoded(body, encoding)
    at = draw(st.integers(0, len(body)))
    dates = ["Sat, 19 Oct 2024 10:49:00 GMT", "Sat, 32 Oct 99999 10:49:00 GMT", "x", "\u0661", ""]
    return Reply(
        status=draw(st.sampled_from([200, 200, 200, 200, 204, 302, 404, 429, 503])),
        headers=(
            ("Content-Encoding", encoding),
            ("Content-Type", draw(st.sampled_from(["application/json", "text/html", ""]))),
            ("Date", draw(st.sampled_from(dates)).encode("ascii", "replace").decode()),
            ("Retry-After", draw(st.sampled_from(["5", "9" * 5000, "-1", "1e9", *dates[:3]]))),
        ),
        pieces=(body[:at], body[at:]),
    )


class Scripted(HttpSource):
    """A source whose connection is the reply of an example."""

    opened: ClassVar["Scripted"]
    reply: Reply

    async def _request(self) -> tuple[bytearray, httpx.Headers]:
        @asynccontextmanager
        async def stream(*_: object) -> AsyncIterator[httpx.Response]:
            async def pieces() -> AsyncIterator[bytes]:
                for piece in self.reply.pieces:
                    yield piece

            yield httpx.Response(self.reply.status, headers=self.reply.headers, content=pieces())

        self._client.stream = stream  # type: ignore[assignment,method-assign]
        return await super()._request()


@pytest.fixture(scope="module", autouse=True)
def source() -> Iterator[Scripted]:
    """Open one source for all examples, since its certificates take a while to load."""
    clock = ManualClock()
    with Scripted(
        "http://source",
        timeout_s=60,
        max_body_bytes=MAX_BODY_BYTES,
        max_elements=MAX_ELEMENTS,
        feed_clock="poll",
        clock=clock,
    ) as opened:
        Scripted.opened = opened
        yield opened


@fuzz(
    replies(),
    reaches=["published", "buried", "not_json", "bad_encoding", "http_429", "http_5xx", "too_many"],
)
def test_an_answer_is_transactions_and_dead_letters_or_a_failed_poll(reply: Reply) -> set[str]:
    polled = Scripted.opened
    polled.reply = reply
    try:
        answer = polled.fetch()
    except PollFailedError as error:
        return failed(error)
    found = select(answer.transactions, frozenset())
    assert len(answer.transactions) <= MAX_ELEMENTS
    assert {element.identity for element in found.new} == found.identities
    for element in found.new:
        assert element.value is not None
        assert record(element, ORIGIN).value == element.value
    return {"published" if element.error is None else "buried" for element in found.new} | {"ok"}


def failed(error: PollFailedError) -> set[str]:
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= LONGEST_RETRY_AFTER_S
    assert error.letter is None or record(error.letter, ORIGIN).value is not None
    return {error.outcome}


@fuzz(
    st.lists(
        st.one_of(
            st.sampled_from(GOOD),
            st.sampled_from([b"NaN", b"17", b'"\\ud83d"', b'"\xff"', b'{"a":[1,{}]}', b"[[]]"]),
        ),
        max_size=MAX_ELEMENTS,
    ),
    reaches=["mixed"],
)
def test_no_odd_element_costs_a_good_one(elements: list[bytes]) -> set[str]:
    polled = Scripted.opened
    polled.reply = Reply(
        status=200, headers=(), pieces=(b'{"txs":[' + b",".join(elements) + b"]}",)
    )
    assert list(polled.fetch().transactions) == elements
    kinds = {element in GOOD for element in elements}
    return {"mixed"} if len(kinds) > 1 else {"alike"}
