"""Checks of this installation: versions, settings, and the declaration of the features."""

import platform
from collections.abc import Iterator
from importlib.metadata import version

from txfeatures import __version__
from txfeatures.bootstrap import BootstrapSettings
from txfeatures.doctor.finding import Check, Verdict, ok
from txfeatures.domain.features import Declaration, default
from txfeatures.process.declared import load_features
from txfeatures.process.settings import load

PACKAGES = ("confluent-kafka", "boto3")
"""Libraries whose versions a report of a defect needs."""


class InstallationChecks:
    """The checks, which leave the settings and the declaration for all others.

    Attributes:
        settings: The settings; None until their check has passed.
        declaration: The declared features; the shipped ones until their check has passed.
    """

    def __init__(self) -> None:
        self.settings: BootstrapSettings | None = None
        self.declaration: Declaration = default()

    def checks(self) -> Iterator[Check]:
        """Yield the checks in their order."""
        yield Check(subject="versions", name="versions", judge=_versions)
        yield Check(subject="settings", name="settings", judge=self._load)
        yield Check(
            subject="settings", name="features file", judge=self._declare, needs=("settings",)
        )

    def _load(self) -> Verdict:
        self.settings = load(BootstrapSettings)
        return ok("TXF_BOOTSTRAP_*, TXF_KAFKA_*, TXF_AWS_* and TXF_FEATURES_* are valid")

    def _declare(self) -> Verdict:
        settings = self.settings or load(BootstrapSettings)
        self.declaration = load_features(settings.features)
        name = settings.features.file or "the shipped declaration"
        return ok(f"{len(self.declaration.features)} features of {name}")


def _versions() -> Verdict:
    libraries = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return ok(f"txfeatures {__version__}, Python {platform.python_version()}, {libraries}")
