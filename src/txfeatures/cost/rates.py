"""Rates of AWS and footprints of a transaction, read from one dated file."""

import tomllib
from importlib.resources import files
from pathlib import Path

import msgspec

from txfeatures.domain.errors import SettingsError


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rate; ``looked_up`` is the date of its comparison with AWS's price list, or empty."""

    usd: float
    source: str
    looked_up: str = ""


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine for pods, with the cores and the gigabytes that they can use."""

    name: str
    usd_hour: float
    cpu: float
    memory_gb: float
    source: str
    looked_up: str = ""


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A standard broker, with the megabytes per second that clients may write to it."""

    name: str
    usd_hour: float
    ingress_mb_s: float
    source: str
    looked_up: str = ""


class Footprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Measured sizes in bytes, and CPU in microseconds."""

    broker_bytes_live: float
    broker_bytes_loaded: float
    archive_bytes: float
    answer_bytes: float
    memory_bytes_per_hash: float
    changelog_bytes_per_hash: float
    cpu_us_per_record: float
    row_bytes: float


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of a rate file."""

    region: str
    currency: str
    date: str
    rates: dict[str, Rate]
    nodes: tuple[Node, ...]
    brokers: tuple[Broker, ...]
    footprint: Footprint


def text() -> str:
    """Return the shipped rate file."""
    return files("txfeatures.cost").joinpath("rates.toml").read_text(encoding="utf-8")


def load(file: Path | None = None) -> Rates:
    """Read a rate file, by default the shipped one.

    Raises:
        SettingsError: It can't be read, or a value is missing, unknown or of a wrong type.
    """
    try:
        found = text() if file is None else file.read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(found), Rates)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(
            f"{file or 'the shipped rate file'} is no rate file ({error}); copy the shipped "
            "rates.toml and change its numbers"
        ) from error
