"""A worker for the tests: two agents, topics of different sizes, Faust's per-record calls.

``count`` counts the records of each batch and publishes the count on ``middle``, which has
one partition; ``add`` adds the counts up in a table, publishes each total, and reads ``feed``
too.
"""

import json
import logging
import sys
from typing import Any

import faust

from faust_microbatch import Config, create_app
from microbatch_support.dedup_worker import Reporter


def main() -> None:
    settings = json.loads(sys.argv[1])
    logging.basicConfig(level="WARNING")
    source, target = settings.pop("source"), settings.pop("target")
    datadir = settings.pop("datadir")
    del settings["pace_s"], settings["partitions"], settings["own_process"]

    app = create_app(Config(**settings), sensor=Reporter(), datadir=datadir)
    sums = app.Table("sums", partitions=1)
    middle, out = app.topic(f"{source}-middle"), app.topic(target)

    @app.agent(app.topic(source))
    async def count(stream: Any) -> None:
        async for batch in stream:
            await middle.send(
                key=b"%d" % batch.partition,
                value=b"%d" % len(batch),
                headers={"from": b"count"},
                timestamp=batch.records[-1].timestamp_ms / 1000,
            )

    @app.agent(app.topic(f"{source}-middle", f"{source}-feed"))
    async def add(stream: Any) -> None:
        async for batch in stream:
            for record in batch.records:
                if batch.topic.endswith("-middle"):
                    sums[b"total"] = b"%d" % (int(sums.get(b"total", b"0")) + int(record.value))
                else:
                    sums[b"beats"] = b"%d" % (int(sums.get(b"beats", b"0")) + 1)
            await out.send(
                key=b"sums", value=b"%b %b" % (sums.get(b"total", b"0"), sums.get(b"beats", b"0"))
            )

    faust.Worker(
        app, override_logging=False, redirect_stdouts=False, quiet=True
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
