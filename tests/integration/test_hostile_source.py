"""Answers of a broken or hostile source, each polled by a process of its own."""

from typing import Any

import pytest

from tests.support.hostile_child import MEBIBYTE, NEEDS_LINUX, report_of
from tests.support.hostile_source import (
    LINE,
    Play,
    bomb,
    endless,
    hostile_server,
    silent,
    whole,
    zipped,
)
from tests.support.memory_sink import body, tx

pytestmark = [pytest.mark.integration, NEEDS_LINUX]

HEAD = LINE + b"Content-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def poll(play: Play, *, timeout_s: float = 30.0) -> dict[str, Any]:
    """Return the report of one poll; its heartbeat is always sent."""
    with hostile_server(play) as url:
        return report_of("tests.support.one_poll", url, timeout_s)


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(
            bomb(b"0,", 33_000_000, before=b'{"txs":[', after=b"0]}"), id="33 million elements"
        ),
        pytest.param(
            bomb(b"0,", 1_000_000, before=b'{"txs":[', after=b"0]}"), id="a million elements"
        ),
        pytest.param(
            whole(b'{"txs":[' + b",".join(b"%d" % n for n in range(300_000)) + b"]}"),
            id="distinct junk",
        ),
        pytest.param(bomb(b"[", 60_000_000, before=b'{"txs":['), id="brackets that open"),
        pytest.param(
            bomb(b"[", 900_000, before=b'{"txs":[', after=b"]" * 900_000 + b"]}"),
            id="brackets that close as well",
        ),
        pytest.param(bomb(b'"a":0,', 10_000_000, before=b"{"), id="members"),
        pytest.param(bomb(b'"txs":[],', 6_000_000, before=b"{"), id="txs given again"),
        pytest.param(bomb(b'{"hash":', 8_000_000, before=b'{"txs":['), id="beginnings"),
    ],
)
def test_an_answer_with_too_much_in_it_is_one_dead_letter(play: Play) -> None:
    report = poll(play)
    assert (report["outcome"], report["published"]) == ("too_many", 0)
    [letter_bytes] = report["letters"]
    assert 0 < letter_bytes <= 4096


def test_junk_beyond_the_bound_is_one_dead_letter_beside_the_transactions() -> None:
    junk = [b'{"hash":%d}' % n for n in range(9_000)]
    report = poll(whole(body(tx(1), *junk, tx(2))))
    assert (report["outcome"], report["published"], report["letters"]) == ("ok", 2, [4096])


@pytest.mark.parametrize(
    ("play", "outcome"),
    [
        pytest.param(
            zipped(lambda: b" " * 100_000_000, times=2, encoding="gzip, gzip"),
            "bad_encoding",
            id="two layers",
        ),
        pytest.param(bomb(b" ", 200_000_000), "too_large", id="gzip bomb"),
        pytest.param(whole(b"{}", "Content-Encoding: br"), "bad_encoding", id="unknown encoding"),
        pytest.param(whole(b"{}", length=1000), "connection", id="shorter than it claims"),
        pytest.param(whole(b"\0" * MEBIBYTE), "not_json", id="NUL bytes"),
        pytest.param(
            bomb(b"x", 60_000_000, before=b'{"txs":["'), "not_json", id="string without an end"
        ),
        pytest.param(
            bomb(b"0,", 30_000_000, before=b"[", after=b"0]"), "wrong_shape", id="no object"
        ),
        pytest.param(
            bomb(b"0,", 30_000_000, before=b'{"t\\u0078s":[', after=b"0]}"),
            "wrong_shape",
            id="txs in another spelling",
        ),
        pytest.param(endless(start=HEAD, unit=b"A: b\r\n" * 5000), "connection", id="headers"),
        pytest.param(
            endless(start=CHUNKED + b"0\r\n", unit=b"A: b\r\n" * 5000), "connection", id="trailers"
        ),
        pytest.param(
            endless(start=CHUNKED, unit=b"1\r\n \r\n" * 5000), "too_large", id="tiny chunks"
        ),
        pytest.param(
            endless(start=CHUNKED, unit=b"10000\r\n" + b" " * 65_536 + b"\r\n"),
            "too_large",
            id="body without an end",
        ),
    ],
)
def test_an_answer_that_cannot_be_read_costs_one_poll(play: Play, outcome: str) -> None:
    report = poll(play)
    assert (report["outcome"], report["published"], report["letters"]) == (outcome, 0, [])


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(silent, id="no answer"),
        pytest.param(endless(start=LINE, unit=b"A: b\r\n", pause_s=0.05), id="headers"),
        pytest.param(endless(start=b"", unit=b"HTTP/1.1 103 x\r\n\r\n", pause_s=0.05), id="hints"),
        pytest.param(endless(start=CHUNKED, unit=b"1\r\n \r\n", pause_s=0.05), id="body"),
        pytest.param(
            endless(start=CHUNKED + b"0\r\n", unit=b"A: b\r\n", pause_s=0.05), id="trailers"
        ),
    ],
)
def test_an_answer_that_trickles_in_for_ever_ends_with_a_heartbeat(play: Play) -> None:
    assert poll(play, timeout_s=0.5)["outcome"] == "timeout"


@pytest.mark.parametrize(
    ("play", "published", "letters"),
    [
        pytest.param(
            bomb(b"x", 60_000_000, before=b'{"txs":["', after=b'"]}'), 0, [0], id="huge string"
        ),
        pytest.param(
            bomb(b'"",', 20_000_000, before=b'{"txs":[[', after=b"0]]}"), 0, [0], id="strings"
        ),
        pytest.param(
            whole(body(tx(1), b'{"fee":' + b"9" * MEBIBYTE + b"}")),
            1,
            [MEBIBYTE + 8],
            id="huge number",
        ),
        pytest.param(
            zipped(lambda: body(*[tx(n, script="f" * 8_000_000) for n in range(8)])),
            8,
            [],
            id="good",
        ),
        pytest.param(
            zipped(lambda: body(*map(tx, range(10_000)))), 10_000, [], id="many good ones"
        ),
    ],
)
def test_an_answer_at_the_bounds_is_read(play: Play, published: int, letters: list[int]) -> None:
    report = poll(play)
    assert (report["outcome"], report["published"]) == ("ok", published)
    assert report["letters"] == letters
