"""The options of the demo, and the settings of each process that follow from them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from txfeatures.domain.errors import FatalError
from txfeatures_local.source.replay_clock import ClockMode

REGION = "eu-west-1"
TRAINING_SET = Path("training-set.parquet")


class Source(StrEnum):
    """The source of transactions."""

    AUTO = "auto"
    LIVE = "live"
    REPLAY = "replay"
    SIMULATION = "simulation"


class Transport(StrEnum):
    """The way of the transactions from the source to the pollers."""

    HTTP = "http"
    WEBSOCKET = "websocket"


class Until(StrEnum):
    """The end of the demo."""

    STOPPED = "stopped"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The options of one run.

    Attributes:
        source: The source of transactions; never ``auto`` once it is decided.
        transport: ``websocket`` lets the source push as well.
        file: The recording, for a replay.
        clock: ``poll`` moves a replay by one second with each poll, ``real`` by its own time.
        speed: Seconds of the feed in one second, for clock ``real``.
        until: ``drained`` ends by itself when everything has arrived.
        export: The file for the final rows, with ``drained``.
        dataset: The file for the training set, with ``drained``; None for ``TRAINING_SET``.
        features: The file that declares the features; None for the shipped declaration.
        port: The api's port.
        pollers: Number of pollers side by side.
        errors: Recorded error answers to mix in.
        error_rate: Share of polls that fail, and of pushes that drop the websocket.
    """

    source: Source = Source.AUTO
    transport: Transport = Transport.HTTP
    file: Path | None = None
    clock: ClockMode = ClockMode.REAL
    speed: float = 1.0
    until: Until = Until.STOPPED
    export: Path | None = None
    dataset: Path | None = None
    features: Path | None = None
    port: int = 8000
    pollers: int = 1
    errors: Path | None = None
    error_rate: float = 0.0

    def check(self) -> None:
        """Refuse options that contradict one another.

        Raises:
            FatalError: They do; the message is one sentence with the change to make.
        """
        if self.source is Source.REPLAY and self.file is None:
            raise FatalError("a replay needs a recording: add FILE=path, or --file path")
        if self.source is not Source.REPLAY and self.file is not None:
            raise FatalError(f"a recording is for SOURCE=replay, not for SOURCE={self.source}")
        if self.file is not None and not self.file.is_file():
            raise FatalError(f"there is no recording {self.file}; check FILE")
        if self.features is not None and not self.features.is_file():
            raise FatalError(f"there is no declaration {self.features}; check FEATURES")
        if self.until is Until.DRAINED and self.source is not Source.REPLAY:
            raise FatalError("only a replay ends: UNTIL=drained needs SOURCE=replay and FILE=path")
        if self.export is not None and self.until is not Until.DRAINED:
            raise FatalError("EXPORT writes final rows: it needs UNTIL=drained")
        if self.dataset is not None and self.until is not Until.DRAINED:
            raise FatalError("DATASET is of final rows: it needs UNTIL=drained")
        if self.dataset is not None and self.dataset.suffix not in {".parquet", ".csv"}:
            raise FatalError(f"DATASET must end in .parquet or .csv, not {self.dataset}")
        for path in (self.export, self.dataset):
            if path is not None and not path.absolute().parent.is_dir():
                raise FatalError(f"there is no folder for {path}; make it first")

    @property
    def is_local(self) -> bool:
        """True if the source runs on this machine."""
        return self.source is not Source.LIVE

    @property
    def source_arguments(self) -> list[str]:
        """Command line of the source's process."""
        arguments = ["--error-rate", str(self.error_rate)]
        if self.transport is Transport.WEBSOCKET:
            arguments += ["--drop-rate", str(self.error_rate)]
        if self.errors:
            arguments += ["--errors", str(self.errors.absolute())]
        if self.file is None:
            return ["--simulate", *arguments]
        return [
            "--file",
            str(self.file.absolute()),
            "--clock",
            self.clock.value,
            "--speed",
            str(self.speed),
            *arguments,
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The addresses of the stack's parts."""

    kafka: str
    aws: str
    source: str | None
    websocket: str | None = None
    api: str
    operations: Mapping[str, int] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, str]:
        """Process -> address of its operations port."""
        return {name: f"http://{HOST}:{port}" for name, port in self.operations.items()}


def without_proxy(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep the stack's own addresses away from the user's proxy."""
    past = inherited.get("no_proxy") or inherited.get("NO_PROXY") or ""
    if past.strip() != "*":  # nothing may stand beside the asterisk
        past = f"{past},{HOST}" if past else HOST
    return {"NO_PROXY": past, "no_proxy": past}


def environment(plan: Plan, addresses: Addresses, directory: Path) -> dict[str, str]:
    """Return the settings of the stack's processes; each reads those that are its own."""
    settings = {
        "TXF_LOG_FORMAT": "text",
        "TXF_KAFKA_BOOTSTRAP_SERVERS": addresses.kafka,
        "TXF_BOOTSTRAP_REPLICATION": "1",
        "TXF_BOOTSTRAP_KEEP_FOREVER": "true",  # the records of a replay have old timestamps
        "TXF_POLLER_SPOOL_DIR": str(directory / "spool"),
        "TXF_FS_WRITER_ARCHIVE_CUT_S": str(ARCHIVE_CUT_S),
        "TXF_API_DRAIN_S": "0",  # no load balancer has to turn away first
        "TXF_API_PUBLIC_HOST": HOST,
        "TXF_API_PUBLIC_PORT": str(plan.port),
    }
    for service in ("POLLER", "DEDUP", "AGGREGATOR", "FS_WRITER", "API"):
        settings[f"TXF_{service}_HTTP_HOST"] = HOST
    if plan.features:
        settings["TXF_FEATURES_FILE"] = str(plan.features.absolute())
    settings["TXF_POLLER_SOURCE"] = plan.transport.value
    if addresses.websocket:
        settings["TXF_POLLER_WEBSOCKET_URL"] = addresses.websocket
    if addresses.source:
        settings["TXF_POLLER_URL"] = addresses.source
        settings["TXF_POLLER_FEED_CLOCK"] = _feed_clock(plan)
    if plan.file:
        settings["TXF_POLLER_INTERVAL_S"] = str(_interval_s(plan))
        settings["TXF_POLLER_MIN_INTERVAL_S"] = "0"
        settings["TXF_POLLER_WEBSOCKET_CHECK_S"] = str(_interval_s(plan))
        settings["TXF_POLLER_BACKOFF_FIRST_S"] = "0.05"
        settings["TXF_POLLER_BACKOFF_MAX_S"] = "1"
        settings["TXF_POLLER_MAX_CLOCK_JUMP_S"] = str(MAX_CLOCK_JUMP_S)
    return settings | {
        "AWS_ENDPOINT_URL": addresses.aws,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",  # nothing of the user's account may reach the demo
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


def handover(plan: Plan, addresses: Addresses) -> dict[str, str]:
    """Return the variables that lead a user's commands, notebooks and boto3 to the stack."""
    settings = environment(plan, addresses, Path())
    kept = ("AWS_", "TXF_KAFKA_", "TXF_BOOTSTRAP_")
    found = {name: value for name, value in settings.items() if name.startswith(kept)}
    return found | without_proxy(os.environ) | {"TXFEATURES_URL": addresses.api}


def _feed_clock(plan: Plan) -> str:
    """Return the feed's clock: a push has no date, and a simulation lives in the present."""
    is_present = plan.source is Source.SIMULATION and plan.transport is Transport.WEBSOCKET
    return "poll" if is_present else "response_date"


def _interval_s(plan: Plan) -> float:
    """Return the seconds between two polls: each shows one more second of the recording."""
    return 0.0 if plan.clock is ClockMode.POLL else 1 / plan.speed


HOST = "127.0.0.1"
ARCHIVE_CUT_S = 60
MAX_CLOCK_JUMP_S = 14_400
"""After its last transaction a replay runs on by thousands of seconds a second, and a poller that
starts then has nothing that confirms it."""
