import gzip
from pathlib import Path

import pytest

from tests.support.shared_data import RECORDED, RECORDING
from txfeatures.archive.recording import read
from txfeatures_local.source import sample


def test_the_recording_in_the_repository_is_as_the_command_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tmp_path / "recording.ndjson.gz"
    written.write_bytes(b"an older one")
    monkeypatch.setattr("sys.argv", ["sample", str(written)])
    sample.main()
    # Its lines, not its bytes: versions of zlib pack them differently.
    assert gzip.decompress(written.read_bytes()) == gzip.decompress(RECORDING.read_bytes())


def test_it_is_small_and_has_a_burst_and_transactions_dated_apart_from_their_arrival() -> None:
    assert RECORDING.stat().st_size < 300_000
    arrivals = list(read(RECORDING))
    assert len(arrivals) == RECORDED
    seconds = [arrival.arrived_at for arrival in arrivals]
    assert seconds == sorted(seconds)
    assert max(map(seconds.count, seconds)) == 70
    assert any(arrival.time > arrival.arrived_at for arrival in arrivals)
    assert any(arrival.time < int(arrival.arrived_at) for arrival in arrivals)
