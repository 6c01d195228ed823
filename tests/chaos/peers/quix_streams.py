"""Quix Streams: tumbling windows of counts and sums, sent on at each change."""

import os
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]

MINUTE_MS, GRACE_MS = 60_000, 600_000
COMMIT_S = 0.5


def first(transaction: dict[str, Any]) -> list[int]:
    return [1, transaction["fee"]]


def add(total: list[int], transaction: dict[str, Any]) -> list[int]:
    return [total[0] + 1, total[1] + transaction["fee"]]


def as_row(window: dict[str, Any]) -> dict[str, int]:
    count, fees = window["value"]
    return {"minute": window["start"] // 1000, "count": count, "fees": fees}


def main() -> None:
    app = Application(
        broker_address=os.environ["PEER_BOOTSTRAP"],
        consumer_group="chaos-quix",
        auto_offset_reset="earliest",
        processing_guarantee=os.environ["PEER_GUARANTEE"].replace("_", "-"),
        commit_interval=COMMIT_S,
        state_dir=os.environ["PEER_STATE_DIR"],
        loglevel="WARNING",
    )
    source = app.topic(os.environ["PEER_SOURCE"], key_deserializer="bytes")
    target = app.topic(os.environ["PEER_TARGET"], key_serializer="bytes")
    windows = (
        app.dataframe(source)
        .tumbling_window(duration_ms=MINUTE_MS, grace_ms=GRACE_MS)
        .reduce(reducer=add, initializer=first)
        .current()
    )
    windows.apply(as_row).to_topic(target)
    app.run()


if __name__ == "__main__":
    main()
