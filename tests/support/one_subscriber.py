"""A poller that is pushed to, in a process of its own, for its memory and its heartbeats.

``python -m tests.support.one_subscriber URL WEBSOCKET SECONDS``.
"""

import json
import random
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from tests.support.memory_sink import MemorySink
from tests.support.one_poll import peak_mib
from txfeatures.domain import wire
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_poller.main import build, open_source
from txfeatures_poller.settings import Settings
from txfeatures_poller.spool import Spool

INTERVAL_S = 0.2


def main(url: str, websocket_url: str, seconds: float) -> None:
    settings = Settings.model_validate(
        {
            "name": "poller-0",
            "source": "websocket",
            "url": url,
            "websocket_url": websocket_url,
            "interval_s": INTERVAL_S,
            "backoff_first_s": 0.1,
            "backoff_max_s": 0.1,
            "spool_max_bytes": 2**30,
        }
    )
    runtime, sink = Runtime(metrics=Metrics("poller")), MemorySink()
    jitter = random.Random(0).random
    with (
        tempfile.TemporaryDirectory() as folder,
        Spool(Path(folder) / "spool.sqlite") as spool,
        open_source(settings, runtime=runtime, random=jitter) as source,
    ):
        steps = build(
            settings, source=source, sink=sink, spool=spool, runtime=runtime, random=jitter
        )
        before_mib = peak_mib()
        end_s = runtime.clock.monotonic() + seconds
        while runtime.clock.monotonic() < end_s:
            steps["poll"]()
            while spool.size_bytes:
                steps["drain"]()
            sink.forget(("raw", "raw.dlq"))
        grown_mib = peak_mib() - before_mib
    times_ms = [wire.decode_heartbeat(record.value).feed_time_ms for record in sink.of("feed")]
    report = {
        "heartbeats": len(times_ms),
        "longest_pause_s": max(b - a for a, b in pairwise(times_ms)) / 1000,
        "letters": sink.forgotten["raw.dlq"],
        "grown_mib": grown_mib,
    }
    sys.stdout.write("\n" + json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
