"""Runs of all systems of a stage in turn, in several rounds on one broker.

Rounds are interleaved (A B C, A B C, ...), so that other load on the machine affects all
systems alike. Each run begins on a broker that holds only the input.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from kafka_local import EmbeddedKafka
from kafka_local.process import GuardedProcess

from bench.cluster import Cluster
from bench.environments import SkippedError, cache_dir
from bench.measure import Figures, measure
from bench.stages import FEW, SLOW_SHARE, Stage
from bench.systems import Guarantee, Run, System
from txfeatures.domain.errors import TxFeaturesError
from txfeatures.domain.topics import RAW
from txfeatures.process.clock import Clock

STOP_GRACE_S = 20.0

Say = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Result:
    """The result of a system in a stage.

    Attributes:
        records: Input records of each run.
        rounds: Figures of each run.
        skipped: Reason why it did not run to the end; empty if it did.
    """

    stage: str
    system: str
    guarantee: Guarantee
    records: int
    rounds: list[Figures] = field(default_factory=list)
    skipped: str = ""


def contest(
    stage: Stage, systems: Sequence[System], *, count: int, rounds: int, clock: Clock, say: Say
) -> list[Result]:
    """Measure ``systems`` in ``stage``; a system that fails is skipped in later rounds.

    Args:
        stage: The stage.
        systems: The systems of the stage to run.
        count: Input records; slow systems get a tenth.
        rounds: Runs of each system.
        clock: Clock of the measurement.
        say: Prints a line of progress.
    """
    entries = [_enter(stage, system, count, say) for system in systems]
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        kafka = stack.enter_context(EmbeddedKafka(Path(name, "kafka")))
        cluster = Cluster(kafka.bootstrap_servers, clock)
        inputs = stage.inputs(count)
        say(f"{stage.name}: loading {count:,} records")
        for topic, records in inputs.items():
            cluster.fill(topic, records)
        for number in range(1, rounds + 1):
            for entry in entries:
                if not entry.result.skipped:
                    cluster.clean(keep=inputs)
                    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
                        _run(stage, entry, cluster, Path(directory), clock)
                    say(f"round {number}: {_summary(entry.result)}")
    return [entry.result for entry in entries]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    system: System
    commands: Sequence[Sequence[str]]
    result: Result


def _enter(stage: Stage, system: System, count: int, say: Say) -> _Entry:
    result = Result(
        stage=stage.name,
        system=system.name,
        guarantee=system.guarantee,
        records=count // SLOW_SHARE if system.is_slow else count,
    )
    commands: Sequence[Sequence[str]] = ()
    try:
        commands = system.prepare(cache_dir())
    except SkippedError as error:
        result.skipped = str(error)
        say(_summary(result))
    return _Entry(system=system, commands=commands, result=result)


def _run(stage: Stage, entry: _Entry, cluster: Cluster, directory: Path, clock: Clock) -> None:
    run = Run(
        bootstrap_servers=cluster.bootstrap_servers,
        source=FEW if entry.system.is_slow else RAW,
        directory=directory,
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TXF_")}
    env = {**kept, **entry.system.environment(run)}
    log = directory / "output.log"
    with ExitStack() as stack:
        output = stack.enter_context(stage.output(cluster, entry.result.records))
        pids = []
        for command in entry.commands:
            process = GuardedProcess(command, cwd=directory, output=log, env=env)
            stack.callback(process.stop, STOP_GRACE_S)
            pids.append(process.pid)
        try:
            found = measure(pids, output, records=entry.result.records, clock=clock)
        except TxFeaturesError as error:
            entry.result.skipped = f"{error}; last line of its log: {_last_line(log)}"
        else:
            entry.result.rounds.append(found)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "none"


def _summary(result: Result) -> str:
    title = f"{result.stage}, {result.system} {result.guarantee}"
    if result.skipped:
        return f"{title}: skipped: {result.skipped}"
    last = result.rounds[-1]
    return f"{title}: {last.records_per_s:,.0f} records/s, {last.cpu_us_per_record:.1f} us each"
