"""Stock Faust, as in its manual: a windowed table of counts and sums, sent on at each change."""

import json
import logging
import os
from typing import Any

import faust
from faust.types import ProcessingGuarantee

MINUTE_S = 60.0


def create_app() -> faust.App:
    app = faust.App(
        "chaos-faust",
        broker=f"aiokafka://{os.environ['PEER_BOOTSTRAP']}",
        processing_guarantee=ProcessingGuarantee(os.environ["PEER_GUARANTEE"]),
        store="memory://",
        datadir=os.environ["PEER_STATE_DIR"],
        topic_partitions=int(os.environ["PEER_PARTITIONS"]),
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        autodiscover=False,
    )
    source, target = (
        app.topic(os.environ[name], key_type=bytes, value_type=bytes, key_serializer="raw",
                  value_serializer="raw")
        for name in ("PEER_SOURCE", "PEER_TARGET")
    )  # fmt: skip
    totals = app.Table("windows", default=lambda: [0, 0]).tumbling(MINUTE_S).relative_to_stream()

    @app.agent(source)
    async def count(stream: Any) -> None:
        async for event in stream.events():
            transaction = json.loads(event.value)
            key = event.key.decode()
            number, fees = totals[key].current(event)
            totals[key] = [number + 1, fees + transaction["fee"]]
            minute = int(event.message.timestamp // MINUTE_S * MINUTE_S)
            value = {"minute": minute, "count": number + 1, "fees": fees + transaction["fee"]}
            await target.send(key=event.key, value=json.dumps(value).encode())

    return app


if __name__ == "__main__":
    faust.Worker(create_app(), loglevel=logging.WARNING).execute_from_commandline()
