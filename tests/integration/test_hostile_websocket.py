"""Websockets that are broken or hostile, each on a poller in a process of its own."""

import itertools
import socket
import threading
from typing import Any

import pytest
from websockets.frames import Opcode

from tests.support.hostile_child import MEBIBYTE, NEEDS_LINUX, report_of
from tests.support.hostile_source import Play
from tests.support.hostile_websocket import (
    again_and_again,
    frame,
    hostile_websocket,
    text,
    then_dropped,
    then_silent,
    trickle,
)
from tests.support.memory_sink import body, tx
from tests.support.pushed_tx import payment, utx
from tests.support.scripted_source import Reply, ScriptedServer

pytestmark = [pytest.mark.integration, NEEDS_LINUX]

SECONDS = 5.0
MAX_PAUSE_S = 4.0


def report_on(play: Play, server: ScriptedServer) -> dict[str, Any]:
    """Return the report of some seconds; its heartbeats go on, whatever the websocket does."""
    server.replies = [Reply(body=body(tx(1)))]
    with hostile_websocket(play) as url:
        subscribed = url.replace("http://", "ws://")
        report = report_of("tests.support.one_subscriber", server.url, subscribed, SECONDS)
    assert report["longest_pause_s"] < MAX_PAUSE_S
    assert report["heartbeats"] > 1
    return report


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(again_and_again(frame(Opcode.PING, b"x" * 125) * 1000), id="pings"),
        pytest.param(again_and_again(text(b'{"op":"pong"}') * 1000), id="other messages"),
        pytest.param(again_and_again(frame(Opcode.CONT) * 1000), id="continuations"),
        pytest.param(
            then_silent(text(b"", fin=False) + frame(Opcode.CONT, fin=False) * 100_000),
            id="a message without an end",
        ),
        pytest.param(then_silent(text(b"x" * (17 * MEBIBYTE))), id="huge"),
        pytest.param(then_dropped(b""), id="drops"),
        pytest.param(trickle(text(utx(payment()))), id="trickle"),
        pytest.param(then_silent(b""), id="silence"),
    ],
)
def test_a_websocket_that_pushes_no_transaction_costs_nothing(
    play: Play, server: ScriptedServer
) -> None:
    assert report_on(play, server)["letters"] == 0


def test_messages_as_large_as_may_be_are_dead_letters_without_their_bytes(
    server: ScriptedServer,
) -> None:
    large = text(b'{"op":"utx","x":"' + b"x" * (15 * MEBIBYTE) + b'"}')
    assert report_on(again_and_again(large), server)["letters"] == 1  # all have the same bytes


def test_distinct_junk_without_an_end_is_few_dead_letters(server: ScriptedServer) -> None:
    def play(connection: socket.socket, over: threading.Event) -> None:
        for start in itertools.count(step=1000):
            if over.is_set():
                return
            messages = (text(utx(number)) for number in range(start, start + 1000))
            connection.sendall(b"".join(messages))

    report = report_on(play, server)
    assert 0 < report["letters"] < 1000 + report["heartbeats"] * 200
