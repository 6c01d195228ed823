"""The checks of an installation, put together."""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from txfeatures.bootstrap import BootstrapSettings
from txfeatures.doctor.account import AccountChecks
from txfeatures.doctor.bucket import BucketChecks
from txfeatures.doctor.catalog import CatalogChecks
from txfeatures.doctor.doubts import DoubtChecks
from txfeatures.doctor.examination import DEADLINE_S, examine
from txfeatures.doctor.feature_group import FeatureGroupChecks
from txfeatures.doctor.finding import Check, Finding, Subject, failure
from txfeatures.doctor.installation import InstallationChecks
from txfeatures.doctor.kafka import KafkaChecks
from txfeatures.process.runtime import Runtime

Side = Literal["kafka", "aws"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The checks that are wanted.

    Attributes:
        sides: The outer systems that are examined.
        writes: Whether an object may be stored in the bucket and deleted again.
        settles: Whether a feature group may be made and deleted, to settle doubts about AWS.
        deadline_s: Most seconds for one check.
    """

    sides: frozenset[Side] = frozenset({"kafka", "aws"})
    writes: bool = False
    settles: bool = False
    deadline_s: float = DEADLINE_S


def diagnose(extent: Extent, runtime: Runtime) -> Generator[Finding]:
    """Yield the findings, each when it is there; close it to undo what was stored.

    Args:
        extent: The checks that are wanted.
        runtime: Its clock is compared with that of AWS.
    """
    with closing(_checks(extent, runtime)) as checks:
        yield from examine(checks, deadline_s=extent.deadline_s)


def _checks(extent: Extent, runtime: Runtime) -> Generator[Check]:
    installation = InstallationChecks()
    yield from installation.checks()
    # The examination asks for a check when those before are judged, so the settings are there.
    settings = installation.settings
    if settings is None:
        for side in sorted(extent.sides):
            yield _out_of_reach(side)
        return
    if "kafka" in extent.sides:
        yield from KafkaChecks(settings, runtime).checks()
    if "aws" in extent.sides:
        yield from _aws_checks(settings, installation, extent, runtime)


def _aws_checks(
    settings: BootstrapSettings,
    installation: InstallationChecks,
    extent: Extent,
    runtime: Runtime,
) -> Iterator[Check]:
    account = AccountChecks(settings.aws, runtime.clock)
    group = FeatureGroupChecks(settings.aws, installation.declaration, runtime)
    yield from chain(
        account.checks(),
        BucketChecks(settings.aws, account, writes=extent.writes).checks(),
        group.checks(),
        CatalogChecks(settings.aws, group).checks(),
    )
    if extent.settles:
        yield from DoubtChecks(settings.aws, runtime).checks()


def _out_of_reach(side: Subject) -> Check:
    """Return the check that stands for all of a side when the settings are wrong."""
    return Check(
        subject=side,
        name=f"all of {side}",
        judge=lambda: failure("the settings are wrong"),
        needs=("settings",),
    )
