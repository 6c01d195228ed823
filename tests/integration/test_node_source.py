"""The example of a source of one's own: a Bitcoin node's mempool, as its JSON-RPC tells it."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.running_demo import COMMAND
from tests.support.shared_data import REPOSITORY
from txfeatures.archive import recording
from txfeatures.domain import wire
from txfeatures.process.clock import SystemClock

pytestmark = pytest.mark.integration

SHIPPED = REPOSITORY / "src/txfeatures/domain/features/features.yaml"
FIRST, SECOND, GONE = ("1" * 64, "2" * 64, "3" * 64)
ENTRY = {
    "vsize": 141,
    "weight": 561,
    "time": round(SystemClock().now()),
    "height": 866_000,
    "fees": {"base": 0.00000282, "modified": 0.00000282, "ancestor": 0.1, "descendant": 0.1},
    "depends": [],
    "bip125-replaceable": True,
}
"""A mempool entry, with the fields and units that Bitcoin Core's RPC reference gives."""


class Node:
    """A node whose mempool grows with each look at it."""

    def __init__(self) -> None:
        self.mempools = iter([["0" * 64], ["0" * 64, FIRST, SECOND, GONE]])
        self.mempool: list[str] = []

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        if call["method"] == "getrawmempool":
            self.mempool = next(self.mempools, self.mempool)
            return {"id": call["id"], "result": self.mempool}
        assert call["method"] == "getmempoolentry"
        if call["params"] == [GONE]:
            error = {"code": -5, "message": "Transaction not in mempool"}
            return {"id": call["id"], "result": None, "error": error}
        return {"id": call["id"], "result": ENTRY}


@pytest.fixture
def node() -> Iterator[str]:
    mempool = Node()

    class Rpc(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps([mempool.answer(call) for call in reversed(calls)]).encode()
            self.send_response(200 if self.headers["Authorization"] else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Rpc)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with server:
        yield f"http://user:secret@127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_transactions_of_a_node_reach_the_poller(node: str, tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "examples/node_source.py"), node, "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as source:
        assert source.stdout
        said = source.stdout.readline()
        address = re.fullmatch(r"serving 127\.0\.0\.1:\d+ at (http://\S+)\n", said)
        assert address, said
        recorded = tmp_path / "mine.ndjson.gz"
        subprocess.run(
            [COMMAND, "record", recorded, "--seconds", "6"],
            env={**os.environ, "TXF_POLLER_URL": address[1]},
            check=True,
        )
        source.terminate()
    tried = subprocess.run(
        [COMMAND, "features", "try", SHIPPED, "--on", recorded, "--json"],
        stdout=subprocess.PIPE,
        check=True,
    )
    rows = [json.loads(line) for line in tried.stdout.splitlines()]
    assert sum(row["total_nb_trx_1min"] for row in rows) == 2
    assert sum(row["total_fee_1min"] for row in rows) == 564
    found = [wire.decode_transaction(bytes(each.tx)) for each in recording.read(recorded)]
    assert {(each.hash, each.fee, each.weight, each.rbf) for each in found} == {
        (FIRST, 282, 561, True),
        (SECOND, 282, 561, True),
    }
