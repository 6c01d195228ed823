"""Stock Faust, used as in its manual: a Table in memory with a changelog, one send per new key."""

import logging
import os
from typing import Any

import faust
from faust.types import ProcessingGuarantee


def create_app() -> faust.App:
    """Return the app configured by the environment."""
    app = faust.App(
        "stock-faust",
        broker=f"aiokafka://{os.environ['BENCH_BOOTSTRAP']}",
        processing_guarantee=ProcessingGuarantee(os.environ["BENCH_GUARANTEE"]),
        store="memory://",
        datadir=os.environ["BENCH_STATE_DIR"],
        topic_partitions=int(os.environ["BENCH_PARTITIONS"]),
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        autodiscover=False,
        producer_compression_type="lz4",
    )
    source, target = (
        app.topic(
            os.environ[name],
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
        )
        for name in ("BENCH_SOURCE", "BENCH_TARGET")
    )
    seen = app.Table("seen", key_type=bytes, value_type=int)

    @app.agent(source)
    async def dedup(stream: Any) -> None:
        async for event in stream.events():
            if event.key not in seen:
                await target.send(
                    key=event.key, value=event.value, partition=event.message.partition
                )
                seen[event.key] = 1

    return app


if __name__ == "__main__":
    faust.Worker(create_app(), loglevel=logging.WARNING).execute_from_commandline()
