"""The catalogue: every kind of fault, its victims and its duration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.chaos import data_faults, faults
from tests.chaos.data_faults import BACK_S, FORWARD_S, OFFLINE, ONLINE, READS
from tests.chaos.parts import Size
from tests.chaos.plan import Shape
from tests.chaos.stand import Stand
from txfeatures_local.source.faults import (
    Fault,
    null_txs,
    reset_in_mid_body,
    too_many_requests,
)

Cause = Callable[[Stand, str, float], str]

POLLER = ("poller-0",)
SOURCE = ("source",)
STORES = (ONLINE, OFFLINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a fault is caused, and its shape in the plan."""

    cause: Cause
    shape: Shape


def kinds(size: Size) -> dict[str, Kind]:
    """Return all kinds of faults that a stand of a size can suffer."""
    numbered = [
        f"{s}-{n}" for s in ("dedup", "aggregator", "fs_writer") for n in range(size.workers)
    ]
    services = (*numbered, *POLLER, "api-0")
    brokers = tuple(f"broker-{number}" for number in range(1, size.brokers + 1))
    lines = (*brokers, faults.ALL)

    def kind(
        cause: Cause, victims: tuple[str, ...], shortest: float = 0, longest: float = 0
    ) -> Kind:
        shape = Shape(victims=victims, shortest_s=shortest, longest_s=longest)
        return Kind(cause=cause, shape=shape)

    def sink(error: str, s3_error: str = "", victims: tuple[str, ...] = STORES) -> Kind:
        # Long enough for the cut of an archive object, a minute of the feed.
        return kind(partial(data_faults.sink, error=error, s3_error=s3_error), victims, 14, 18)

    return {
        "kill": kind(faults.kill, services),
        "kill_in_recovery": kind(faults.kill_twice, tuple(numbered)),
        "freeze": kind(faults.freeze, services, 13, 20),
        "rebalance_storm": kind(faults.storm, ("dedup", "aggregator"), 20, 30),
        "broker_kill": kind(faults.kill_broker, brokers, 3, 8),
        "broker_kill_all": kind(faults.kill_all_brokers, (faults.ALL,), 3, 6),
        "broker_freeze": kind(faults.freeze_broker, brokers, 6, 14),
        "network_cut": kind(faults.cut, lines, 5, 15),
        "network_silence_to_broker": kind(faults.silence_up, lines, 5, 15),
        "network_silence_to_client": kind(faults.silence_down, lines, 5, 15),
        "network_delay": kind(faults.delay, lines, 6, 12),
        "sink_500": sink("InternalFailure", "InternalError"),
        "sink_503": sink("ServiceUnavailable", "SlowDown"),
        "sink_throttling": sink("ThrottlingException", "SlowDown", (ONLINE,)),
        "sink_expired_credentials": sink("ExpiredTokenException", "ExpiredToken"),
        "sink_hang": sink("hang"),
        "sink_commit_then_timeout": sink("commit_then_drop"),
        "sink_partial_batch": kind(data_faults.partial_writes, (ONLINE,), 26, 32),
        "reads_partial_batch": sink("unprocessed", victims=(READS,)),
        "source_429": _source(kind, too_many_requests()),
        "source_truncated": kind(data_faults.source_truncated, SOURCE, 4, 8),
        "source_null": _source(kind, null_txs),
        "source_reset": _source(kind, reset_in_mid_body),
        "source_hang": kind(data_faults.source_hang, SOURCE, 11, 14),
        "clock_forward": kind(partial(data_faults.clock_step, step_s=FORWARD_S), SOURCE, 3, 6),
        "clock_back": kind(partial(data_faults.clock_step, step_s=BACK_S), SOURCE, 3, 6),
        "clock_wild": kind(data_faults.clock_wild, POLLER, 4, 8),
        "future_transactions": kind(data_faults.future, SOURCE, 3, 4),
        "poison_100_percent": kind(data_faults.poison, SOURCE, 60, 60),
        "poison_beyond_limit": kind(data_faults.poison_in_raw, ("dedup",)),
        "spool_disk_full": kind(data_faults.spool_disk_full, POLLER, 4, 8),
    }


def _source(kind: Callable[..., Kind], fault: Fault) -> Kind:
    return kind(partial(data_faults.source_error, fault=fault), SOURCE, 4, 8)


def shapes(size: Size, names: tuple[str, ...] = ()) -> Mapping[str, Shape]:
    """Return the shapes of the named kinds, of all without names."""
    known = kinds(size)
    if unknown := set(names) - known.keys():
        raise LookupError(f"no such kind of fault: {', '.join(sorted(unknown))}")
    return {name: known[name].shape for name in names or known}
