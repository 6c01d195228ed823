"""Apps without a broker, and code that runs as one of their agents."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any, cast

import faust
from faust.streams import _current_event

from faust_microbatch import App, Batch, Config, create_app
from faust_microbatch.faust.message import BatchMessage
from faust_microbatch.faust.stream import Stream
from microbatch_support.fakes import messages

CONFIG = Config(group="test", bootstrap_servers="127.0.0.1:1")


def an_app(**options: Any) -> App:
    made = create_app(CONFIG, datadir=Path(gettempdir()), **options)
    made.finalize()
    return made


def a_batch(partition: int = 0) -> Batch:
    return Batch("in", partition, messages(2, partition=partition), start=0)


@contextmanager
def agent_at_work(app: App, batch: Batch) -> Iterator[None]:
    """Let the caller be an agent that works on ``batch``."""
    event = faust.Event(app, None, batch, None, BatchMessage(batch))
    cast("Stream", app.stream([]))._set_current_event(event)
    try:
        yield
    finally:
        _current_event.set(None)
