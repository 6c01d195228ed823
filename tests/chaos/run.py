"""One chaos run: load and faults for a time, then rest, then the checks."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from kafka_local import LocalKafkaError

from tests.chaos import history as histories
from tests.chaos.changelog import truncate_and_recover
from tests.chaos.checks import check
from tests.chaos.common import NoEffectError
from tests.chaos.document import Happened, document
from tests.chaos.kinds import kinds, shapes
from tests.chaos.observations import Observations, Recovery, client
from tests.chaos.parts import Size
from tests.chaos.plan import Planned, plan
from tests.chaos.stand import Say, Stand
from tests.chaos.verdicts import Truth, Verdict
from tests.support.core import READS
from txfeatures.domain.errors import TransientError, TxFeaturesError
from txfeatures.domain.topics import AGGREGATED
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.source import committed_ends
from txfeatures_local.demo.drained import Drain, reaches, read_status

FIRST_FAULTS = 400
"""More than a run has time for."""
RECOVERY_S = 180.0
REST_S = 600.0
PROBE_PAUSE_S = 5.0
Ends = Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run.

    Attributes:
        seconds: Time for which faults begin.
        seed: Decides faults and transactions.
        names: Kinds of faults; all if empty.
        count: Number of faults after which it ends, if that is sooner.
        keep: Leave the directory with all logs.
        plant: A bug of the mutants' catalogue that the services have.
        probes: Measurements of the recovery from nothing, before the first fault.
    """

    seconds: float
    seed: int
    size: Size = field(default_factory=Size)
    names: tuple[str, ...] = ()
    count: int = FIRST_FAULTS
    keep: bool = False
    plant: str = ""
    probes: int = 3


@dataclass(slots=True)
class Run:
    """A run on a stand that is up."""

    stand: Stand
    options: Options
    happened: list[Happened]
    steady: list[float]
    throughput: tuple[float, int] = (0.0, 0)

    def suffer(self) -> None:
        """Cause the planned faults until the time is over."""
        stand, options, clock = self.stand, self.options, self.stand.clock
        catalogue = kinds(options.size)
        recovery = Recovery(stand, client(stand, "sagemaker-featurestore-runtime"))
        for _ in range(options.probes):
            clock.wait(stand.stopped, PROBE_PAUSE_S)
            if (seconds := recovery.wait(RECOVERY_S)) is not None:
                self.steady.append(seconds)
        started_s = clock.monotonic()
        for each in plan(options.seed, shapes(options.size, options.names), length=options.count):
            if clock.monotonic() - started_s > options.seconds:
                break
            clock.wait(stand.stopped, each.gap_s)
            self._cause(each, catalogue[each.kind].cause, recovery, started_s)
        passed_s = clock.monotonic() - started_s
        if passed_s < options.seconds and options.count == FIRST_FAULTS:
            clock.wait(stand.stopped, options.seconds - passed_s)
        recovery.wait(RECOVERY_S)
        self.throughput = clock.monotonic() - started_s, stand.source.ledger.count()

    def _cause(
        self,
        each: Planned,
        cause: Callable[[Stand, str, float], str],
        recovery: Recovery,
        started_s: float,
    ) -> None:
        stand, clock = self.stand, self.stand.clock
        began_s = clock.monotonic()
        evidence, reason = "", ""
        try:
            evidence = cause(stand, each.victim, each.lasts_s)
        except (NoEffectError, TimeoutError) as error:
            reason = str(error)
        except (OSError, LocalKafkaError, TxFeaturesError) as error:
            reason = f"it could not be caused: {error!r}"
        ended_s = clock.monotonic()
        recovery_s = recovery.wait(RECOVERY_S) if each.waits else None
        happened = Happened(
            number=each.number,
            kind=each.kind,
            victim=each.victim,
            began_s=round(began_s - started_s, 1),
            lasted_s=round(ended_s - began_s, 1),
            evidence=evidence,
            reason=reason,
            waited=each.waits,
            recovery_s=None if recovery_s is None else round(recovery_s, 2),
        )
        self.happened.append(happened)
        stand.say(
            f"{happened.began_s:7.1f} s {each}: {evidence or 'NOTHING HAPPENED: ' + reason}"
            + (f"; recovered in {recovery_s:.1f} s" if recovery_s is not None else "")
            + f"; {stand.source.ledger.count():,} transactions"
        )

    def rest(self) -> None:
        """End the load, and wait until everything has arrived everywhere."""
        self.stand.source.load.ended.set()
        with (
            httpx.Client(timeout=10, trust_env=False) as http,
            closing(
                Drain(
                    self.stand.inside,
                    status=lambda: read_status(self.stand.source.status_url, http),
                    pollers=1,
                )
            ) as drain,
        ):
            self.stand.wait_until(drain.is_done, "the rest of the pipeline", limit_s=REST_S)
        # Each poll of a feed that runs on moves its clock, and makes rows of empty minutes.
        self.stand.retire("poller-0")
        with closing(KafkaAdmin(self.stand.inside)) as admin:
            for topic, group in (*READS, (AGGREGATED, "fs_writer-features")):
                end = committed_ends(self.stand.inside, topic)

                def has_read(topic: str = topic, group: str = group, end: Ends = end) -> bool:
                    with suppress(TransientError):
                        return reaches(admin.committed(group, topic), end)
                    return False

                self.stand.wait_until(has_read, f"{group} reading {topic}", limit_s=REST_S)


def chaos(options: Options, *, say: Say) -> dict[str, Any]:
    """Run, check and return the result as a document for JSON."""
    with (
        folder(keep=options.keep, say=say) as directory,
        Stand(
            folder=directory, size=options.size, seed=options.seed, say=say, plant=options.plant
        ) as stand,
    ):
        run = Run(stand, options, [], [])
        observations = Observations(stand)
        observations.start()
        try:
            run.suffer()
            say("the load ends; waiting for the pipeline to come to rest")
            liveness = Verdict(
                name="L1", promise="after each fault, and at the end, everything arrives", checked=1
            )
            try:
                run.rest()
            except TimeoutError as error:
                liveness.found.append(str(error))
        finally:
            observations.close()
        liveness.found += [
            f"fault {each.number}, {each.kind}, was not over after {RECOVERY_S:.0f} s"
            for each in run.happened
            if each.waited and each.recovery_s is None
        ]
        say("reading topics, stores and archive")
        found = histories.read(stand, until_s=int(stand.source.feed_time_s) + 600)
        truth = _truth(stand, found)
        verdicts = [*check(truth, found, observations.samples, observations.answers), liveness]
        verdicts += [_observed(observations)]
        say("truncating a changelog")
        verdicts.append(truncate_and_recover(stand))
        for verdict in verdicts:
            say(str(verdict))
        return document(
            options=options,
            happened=run.happened,
            steady=run.steady,
            verdicts=verdicts,
            truth=truth,
            history=found,
            seconds=run.throughput[0],
            offered=run.throughput[1],
            endings=stand.endings,
        )


@contextmanager
def folder(*, keep: bool, say: Say) -> Iterator[Path]:
    """Make a directory for everything, and remove it unless it is to be kept."""
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        yield directory
    finally:
        if keep:
            say(f"all logs are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def _truth(stand: Stand, found: histories.History) -> Truth:
    ledger = stand.source.ledger
    unshown = ledger.ids("good", shown=False)
    return Truth(
        good=ledger.ids("good"),
        unshown=unshown,
        future=ledger.ids("future"),
        poison=ledger.ids("poison") | stand.strangers,
        cut=stand.cut,
        minutes=ledger.minutes(and_also=unshown & set(found.raw.values())),
    )


def _observed(observations: Observations) -> Verdict:
    """Return whether the observers themselves worked."""
    verdict = Verdict(
        name="O1", promise="the observers observed", checked=len(observations.samples)
    )
    verdict.found += [repr(failure) for failure in observations.failures]
    return verdict
