"""The part of Faust's interface of a consumer that a batch transport has no use for.

Faust's own recovery, seeking and flow control call these; here nothing does.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from faust.types.transports import ConsumerT


def _unused(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(f"a batch transport has no Consumer.{name}")

    return refuse


class UnusedConsumer(ConsumerT):
    """Refuses each of them."""

    close = _unused("close")
    commit = _unused("commit")
    create_topic = _unused("create_topic")
    earliest_offsets = _unused("earliest_offsets")
    getmany = _unused("getmany")
    highwater = _unused("highwater")
    highwaters = _unused("highwaters")
    key_partition = _unused("key_partition")
    on_buffer_drop = _unused("on_buffer_drop")
    on_buffer_full = _unused("on_buffer_full")
    on_task_error = _unused("on_task_error")
    pause_partitions = _unused("pause_partitions")
    perform_seek = _unused("perform_seek")
    position = _unused("position")
    resume_flow = _unused("resume_flow")
    resume_partitions = _unused("resume_partitions")
    seek = _unused("seek")
    seek_wait = _unused("seek_wait")
    stop_flow = _unused("stop_flow")
    track_message = _unused("track_message")
    unacked = property(_unused("unacked"))
    verify_recovery_event_path = _unused("verify_recovery_event_path")
    wait_empty = _unused("wait_empty")
