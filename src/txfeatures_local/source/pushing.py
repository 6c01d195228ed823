"""The source's websocket: it pushes each transaction to those who subscribed, as the vendor's does.

A message holds fewer fields than an answer: no fee, no weight, no ``rbf`` and no witnesses.
"""

import random
from collections.abc import Callable, Iterator
from threading import Thread
from types import TracebackType
from typing import Any, Self

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from txfeatures.domain.errors import FatalError
from txfeatures_local.source.endpoint import Endpoint
from txfeatures_local.source.listening import taken

PATH = "/inv"

_SUBSCRIBE = "unconfirmed_sub"
_LOOK_S = 0.01
"""Between two looks at what has arrived: the delay of a push."""

_TRANSACTION = ("lock_time", "ver", "size", "inputs", "time", "tx_index", "vin_sz", "hash")
_MORE = ("vout_sz", "relayed_by", "out")
_COIN = ("spent", "tx_index", "type", "addr", "value", "n", "script")


class _Request(msgspec.Struct):
    op: str = ""


def pushed_message(tx: msgspec.Raw) -> bytes:
    """Return the message that pushes ``tx``, which may be faulty."""
    try:
        known = msgspec.json.decode(tx, type=dict[str, Any])
        pushed = _picked(known, (*_TRANSACTION, *_MORE))
        pushed["tx_index"] = 0
        pushed["inputs"] = [
            {
                **_picked(spending, ("sequence",)),
                "prev_out": _coin(spending["prev_out"]),
                **_picked(spending, ("script",)),
            }
            for spending in known["inputs"]
        ]
        pushed["out"] = [_coin(output) for output in known["out"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return b'{"op":"utx","x":' + bytes(tx) + b"}"
    return msgspec.json.encode({"op": "utx", "x": pushed})


def _coin(output: dict[str, Any]) -> dict[str, Any]:
    return {**_picked(output, _COIN), "tx_index": 0}


def _picked(fields: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: fields[name] for name in names if name in fields}


class PushServer:
    """Pushes what the endpoint's feed shows; a context manager.

    Args:
        endpoint: Has the feed, which a first subscription starts as a first poll does.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        drop_rate: The share of messages, 0 to 1, in place of which the connection is dropped.
        fail: Called with the reason if the feed can't be read further.

    Raises:
        FatalError: On entering: the port is taken.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        host: str,
        port: int,
        drop_rate: float,
        fail: Callable[[FatalError], None],
    ) -> None:
        self._endpoint = endpoint
        self._host = host
        self._port = port
        self._drop_rate = drop_rate
        self._random = random.Random(0)  # noqa: S311 - repeatable on purpose
        self._fail = fail
        self._running: tuple[Server, Thread] | None = None

    @property
    def url(self) -> str:
        """The address to subscribe at."""
        return f"ws://{self._host}:{self._port}{PATH}"

    def __enter__(self) -> Self:
        """Listen and serve in the background."""
        try:
            server = serve(self._serve, self._host, self._port, compression=None)
        except OSError as error:
            raise taken(self._host, self._port, error) from error
        self._port = server.socket.getsockname()[1]
        thread = Thread(target=server.serve_forever, name="pushes")
        thread.start()
        self._running = server, thread
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening and close every connection."""
        if self._running is not None:
            server, thread = self._running
            server.shutdown()
            thread.join()
            self._running = None

    def _serve(self, connection: ServerConnection) -> None:
        try:
            while _op(connection.recv()) != _SUBSCRIBE:
                continue
            with self._endpoint.subscribed() as shown:
                self._push(connection, shown)
        except ConnectionClosed:
            pass
        except FatalError as error:
            self._fail(error)

    def _push(self, connection: ServerConnection, shown: Iterator[list[msgspec.Raw]]) -> None:
        for transactions in shown:
            for tx in transactions:
                if self._random.random() < self._drop_rate:
                    return
                connection.send(pushed_message(tx), text=True)
            try:
                op = _op(connection.recv(timeout=_LOOK_S))
            except TimeoutError:
                continue
            if op == "ping":
                connection.send('{"op":"pong"}')


def _op(message: str | bytes) -> str:
    try:
        return msgspec.json.decode(message, type=_Request).op
    except msgspec.DecodeError:
        return ""
