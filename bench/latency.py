"""Latency of a transaction through the whole stack at the live rate.

It is the time from the answer of the source at the poller, or from its push, until a row of the
open minute that counts the transaction can be read: from ``aggregated``, and from the online store.
"""

import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import boto3
from kafka_local.ports import free_port

from bench.cluster import Cluster, read
from txfeatures.domain import wire
from txfeatures.domain.features import ALWAYS, EVENT_TIME
from txfeatures.domain.topics import AGGREGATED, FEED
from txfeatures.process.clock import Clock
from txfeatures.process.settings import AwsSettings
from txfeatures_local.demo.plan import REGION, Plan, Source, Transport
from txfeatures_local.demo.stack import Stack

POLL_S = 0.01
WARM_UP_S = 5.0
"""Time before the first poll that counts: caches are cold and groups are forming."""

_BEGINNINGS = ((Transport.HTTP, "the poll's answer"), (Transport.WEBSOCKET, "the push"))

Arrivals = list[tuple[float, int]]
"""Time at which a row was read (s), and the feed time that it covers (ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """The latency of rows.

    Attributes:
        begin: Its beginning.
        to: Place from which the row was read.
        polls: Polls or pushes with new transactions.
    """

    begin: str
    to: str
    polls: int
    p50_s: float
    p99_s: float


@dataclass(slots=True)
class Sightings:
    """The observations of a stack; all times are of this machine.

    Attributes:
        polls_ms: Times of the answers with new transactions.
        rows: Rows read from ``aggregated``.
        online: Rows read from the online store.
    """

    polls_ms: list[int] = field(default_factory=list)
    rows: Arrivals = field(default_factory=list)
    online: Arrivals = field(default_factory=list)


def measure_latency(seconds: int, *, clock: Clock, say: Callable[[str], None]) -> list[Latency]:
    """Measure the latency of the whole stack on the simulation, at its rate, for ``seconds`` each.

    It is measured with polls alone, and with pushes and their polls.
    """
    return [
        latency
        for transport, begin in _BEGINNINGS
        for latency in _measure(transport, begin, seconds, clock=clock, say=say)
    ]


def _measure(
    transport: Transport, begin: str, seconds: int, *, clock: Clock, say: Callable[[str], None]
) -> list[Latency]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        stack = Stack(
            plan=Plan(source=Source.SIMULATION, transport=transport, port=free_port()),
            directory=Path(name),
            report=say,
            clock=clock,
            stop=threading.Event(),
        )
        with stack:
            poller = stack.parts["poller"]
            poller.stop()
            # Answers are dated in whole seconds; the poller's own clock has milliseconds.
            poller.env = {**poller.env, "TXF_POLLER_FEED_CLOCK": "poll"}
            poller.start()
            say(f"latency: measuring for {seconds} s, from {begin}")
            sightings = _watch(stack, seconds, clock)
    return [
        summary(begin, to, delays_s(sightings.polls_ms, arrivals))
        for to, arrivals in ((AGGREGATED, sightings.rows), ("online store", sightings.online))
    ]


def delays_s(polls_ms: Sequence[int], arrivals: Arrivals) -> list[float]:
    """Return the delay from each poll to the first arrival that covers it.

    A poll without one is left out, because it was too close to the end.
    """
    firsts = (
        (poll_ms, min((at_s for at_s, known_ms in arrivals if known_ms >= poll_ms), default=None))
        for poll_ms in polls_ms
    )
    return [at_s - poll_ms / 1000 for poll_ms, at_s in firsts if at_s is not None]


def summary(begin: str, to: str, delays: Sequence[float]) -> Latency:
    """Return the percentiles of at least two delays."""
    percentiles = quantiles(delays, n=100, method="inclusive")
    return Latency(
        begin=begin, to=to, polls=len(delays), p50_s=percentiles[49], p99_s=percentiles[98]
    )


def _watch(stack: Stack, seconds: int, clock: Clock) -> Sightings:
    seen = Sightings()
    minute: str | None = None
    store: Any = boto3.client(
        "sagemaker-featurestore-runtime",
        endpoint_url=stack.addresses.aws,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - the local AWS accepts any
    )
    group = AwsSettings().feature_group
    start_s = clock.now() + WARM_UP_S
    with Cluster(stack.addresses.kafka, clock).reader(FEED, AGGREGATED) as consumer:
        while (now_s := clock.now()) < start_s + seconds:
            stack.check()
            messages, _ = read(consumer, POLL_S)
            for message in messages:
                value = message.value()
                if message.topic() == FEED:
                    heartbeat = wire.decode_heartbeat(value)
                    if heartbeat.new and heartbeat.feed_time_ms / 1000 >= start_s:
                        seen.polls_ms.append(heartbeat.feed_time_ms)
                else:
                    row = wire.decode_row(value, ALWAYS)
                    minute = str(row["tx_minute"])
                    seen.rows.append((clock.now(), message.timestamp()[1]))
            if minute and now_s >= start_s:
                found = store.get_record(
                    FeatureGroupName=group, RecordIdentifierValueAsString=minute
                )
                seen.online.append((clock.now(), _event_time_ms(found)))
    return seen


def _event_time_ms(found: Any) -> int:
    features = {f["FeatureName"]: f["ValueAsString"] for f in found.get("Record", ())}
    return round(float(features.get(EVENT_TIME, 0)) * 1000)
