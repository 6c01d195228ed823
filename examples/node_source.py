"""Serve the transactions of your own Bitcoin node as the poller's source.

Usage: python examples/node_source.py http://USER:PASSWORD@127.0.0.1:8332 [PORT]   (default: 8001)

Each second it asks the node (Bitcoin Core) by JSON-RPC for its mempool, and for the entry of each
transaction that is new. What was in the mempool before this program started is left out.
"""

import json
import sys
import threading
from collections import deque
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

SHOWN = 5_000
"""Transactions of an answer: more than a node receives between two polls."""
EVERY_S = 1.0
SATOSHI = 10**8

newest: deque[dict[str, Any]] = deque(maxlen=SHOWN)


def transaction(txid: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return a mempool entry as the poller reads it; what the node does not tell is left out."""
    return {
        "hash": txid,
        "time": entry["time"],
        "fee": int(entry["fees"]["base"] * SATOSHI),
        "weight": entry["weight"],
        "rbf": entry.get("bip125-replaceable", False),
    }


def follow(node: httpx.Client, stop: threading.Event) -> None:
    """Put each transaction that the node receives in front of ``newest``."""
    known: set[str] | None = None
    while not stop.wait(EVERY_S):
        try:
            present = set(call(node, ("getrawmempool",))[0])
            arrived = [] if known is None else sorted(present - known)
            entries = call(node, *(("getmempoolentry", txid) for txid in arrived))
        except httpx.HTTPError as error:
            print(f"the node does not answer ({error}); trying again", file=sys.stderr)
            continue
        for txid, entry in zip(arrived, entries, strict=True):
            if entry is not None:  # else it has left the mempool already
                newest.appendleft(transaction(txid, entry))
        known = present


def call(node: httpx.Client, *calls: tuple[str, ...]) -> list[Any]:
    """Return the results of calls, None for one that is refused."""
    if not calls:
        return []
    batch = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        for number, (method, *parameters) in enumerate(calls)
    ]
    answer = node.post("/", json=batch).raise_for_status()
    results = json.loads(answer.content, parse_float=Decimal)
    return [each.get("result") for each in sorted(results, key=lambda each: int(each["id"]))]


class Source(BaseHTTPRequestHandler):
    """Answers every GET with the newest transactions."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps({"txs": list(newest)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of a request that was answered."""


def main(address: str, port: int = 8001) -> None:
    """Serve until Ctrl-C."""
    stop = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", port), Source)
    with httpx.Client(base_url=address, timeout=30.0, trust_env=False) as node, server:
        reader = threading.Thread(target=follow, args=(node, stop))
        reader.start()
        served = f"http://127.0.0.1:{server.server_port}/"
        print(f"serving {address.rpartition('@')[2]} at {served}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            stop.set()
            reader.join()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
