"""Quix Streams: a filter with state per key, in RocksDB with its changelog."""

import os

from quixstreams import Application, State  # type: ignore[import-not-found]

COMMIT_S = 0.1


def is_first(_value: object, state: State) -> bool:
    """Remember the key of the record and return whether it was new."""
    if state.exists("seen"):
        return False
    state.set("seen", 1)
    return True


def main() -> None:
    """Forward first sightings until SIGTERM."""
    app = Application(
        broker_address=os.environ["BENCH_BOOTSTRAP"],
        consumer_group="quix",
        auto_offset_reset="earliest",
        processing_guarantee=os.environ["BENCH_GUARANTEE"].replace("_", "-"),
        commit_interval=COMMIT_S,
        state_dir=os.environ["BENCH_STATE_DIR"],
        producer_extra_config={"compression.type": "lz4"},
        loglevel="WARNING",
    )
    source = app.topic(
        os.environ["BENCH_SOURCE"], key_deserializer="bytes", value_deserializer="bytes"
    )
    target = app.topic(os.environ["BENCH_TARGET"], key_serializer="bytes", value_serializer="bytes")
    app.dataframe(source).filter(is_first, stateful=True).to_topic(target)
    app.run()


if __name__ == "__main__":
    main()
