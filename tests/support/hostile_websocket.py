"""Frames of a websocket that is broken or hostile, byte for byte over a socket."""

import re
import socket
import threading
from contextlib import AbstractContextManager

from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from tests.support.hostile_source import Play, hostile_server

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


def hostile_websocket(play: Play) -> AbstractContextManager[str]:
    """Upgrade each connection, then send what ``play`` does until the context ends."""
    return hostile_server(play, upgrade)


def upgrade(request: bytes) -> bytes:
    """Return the answer that accepts the upgrade which ``request`` wants."""
    key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
    assert key is not None
    accept = accept_key(key[1].decode())
    return UPGRADE + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()


def text(data: bytes, *, fin: bool = True) -> bytes:
    """Return a frame of text, or the first of several."""
    return frame(Opcode.TEXT, data, fin=fin)


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    """Return a frame as a server sends it."""
    return Frame(opcode, data, fin=fin).serialize(mask=False)


def fragments(data: bytes, size: int) -> bytes:
    """Return ``data`` as one message in frames of ``size`` bytes."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    frames = [text(pieces[0], fin=False)]
    frames += [frame(Opcode.CONT, piece, fin=False) for piece in pieces[1:]]
    return b"".join(frames) + frame(Opcode.CONT)


def then_silent(data: bytes) -> Play:
    """Return a play that sends ``data`` and then nothing, with the connection left open."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(data)
        over.wait()

    return play


def then_dropped(data: bytes) -> Play:
    """Return a play that reads the subscription, sends ``data`` and ends the connection."""

    def play(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(1000)
        connection.sendall(data)

    return play


def again_and_again(data: bytes, pause_s: float = 0.0) -> Play:
    """Return a play that sends ``data`` for ever, and reads nothing."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        while not over.wait(pause_s):
            connection.sendall(data)

    return play


def trickle(data: bytes, pause_s: float = 0.05) -> Play:
    """Return a play that sends ``data`` a byte at a time."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            if over.wait(pause_s):
                return
        over.wait()

    return play
