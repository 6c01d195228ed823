import threading
from pathlib import Path

import pytest

from tests.support.memory_sink import body, tx
from tests.support.scripted_source import Reply, ScriptedServer
from txfeatures.archive import recording
from txfeatures.archive.recording import RecordingWriter
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock
from txfeatures_poller.record import follow, record
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import HttpSource


def recorded(server: ScriptedServer, path: Path, *, seconds: float) -> int:
    settings, clock = Settings(interval_s=1.0), ManualClock()
    source = HttpSource(
        server.url, timeout_s=5, max_body_bytes=10**6, feed_clock="poll", clock=clock
    )
    with source, RecordingWriter(path) as writer:
        return follow(
            settings, source, writer, clock=clock, stop=threading.Event(), seconds=seconds
        )


def test_each_transaction_is_recorded_once_oldest_first_and_failed_polls_are_passed_over(
    server: ScriptedServer, tmp_path: Path
) -> None:
    first, second, third = expected = [tx(1), tx(2), tx(3)]
    server.replies = [
        Reply(body=body(second, first)),
        Reply(status=500),
        Reply(body=body(third, second)),
    ]
    assert recorded(server, tmp_path / "r.ndjson.gz", seconds=3) == 3
    arrivals = list(recording.read(tmp_path / "r.ndjson.gz"))
    assert [bytes(arrival.tx) for arrival in arrivals] == [
        tx.replace(b"\n", b" ") for tx in expected
    ]
    assert arrivals[0].arrived_at == arrivals[1].arrived_at < arrivals[2].arrived_at


def test_an_element_that_is_no_json_is_left_out_and_a_faulty_transaction_is_kept(
    server: ScriptedServer, tmp_path: Path
) -> None:
    odd = b'{"hash":"\\ud83d","fee":NaN}'
    server.replies = [Reply(body=body(tx(2), odd, b"17", tx(1)))]
    assert recorded(server, tmp_path / "r.ndjson", seconds=1) == 3
    arrivals = [bytes(arrival.tx) for arrival in recording.read(tmp_path / "r.ndjson")]
    assert arrivals == [tx(1).replace(b"\n", b" "), b"17", tx(2).replace(b"\n", b" ")]


def test_a_folder_that_is_not_there_is_said_before_the_first_poll(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="there is no folder for"):
        record(tmp_path / "nowhere" / "r.ndjson")
