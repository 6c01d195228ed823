"""A poller in a process of its own, for its memory: ``python -m tests.support.one_poll URL``."""

import json
import re
import sys
import tempfile
from pathlib import Path

from tests.support.memory_sink import MemorySink
from txfeatures.domain import wire
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_poller.main import build
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import HttpSource
from txfeatures_poller.spool import Spool


def peak_mib() -> float:
    """Return the most memory that this process has held; getrusage has its parent's as well."""
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(peak) / 1024


def main(url: str, timeout_s: float) -> None:
    settings = Settings.model_validate({"name": "poller-0", "url": url, "timeout_s": timeout_s})
    runtime, sink = Runtime(metrics=Metrics("poller")), MemorySink()
    with (
        tempfile.TemporaryDirectory() as folder,
        Spool(Path(folder) / "spool.sqlite") as spool,
        HttpSource.from_settings(settings, clock=runtime.clock) as source,
    ):
        steps = build(
            settings, source=source, sink=sink, spool=spool, runtime=runtime, random=lambda: 0.0
        )
        before_mib = peak_mib()
        steps["poll"]()
        while spool.size_bytes:  # on a busy machine even this sink may take too long for a poll
            steps["drain"]()
        grown_mib = peak_mib() - before_mib
    [heartbeat] = sink.of("feed")
    letters = sink.of("raw.dlq")
    report = {
        "outcome": wire.decode_heartbeat(heartbeat.value).outcome,
        "published": sum(record.key is not None for record in sink.of("raw")),
        "letters": [len(record.value or b"") for record in letters],
        "grown_mib": grown_mib,
    }
    sys.stdout.write("\n" + json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
