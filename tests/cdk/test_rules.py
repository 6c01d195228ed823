"""The templates under the rules of others: cdk-nag, cfn-lint, and a snapshot for the reader."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cdk.__main__ import COMMAND, SNAPSHOTS
from tests.cdk.assembly import ENVIRONMENT, STAGES, Assembly, normalised, run

pytestmark = pytest.mark.integration

ARGUED = {
    "E3703": "a matter of taste, in the actions that CDK Pipelines writes",
    "W3005": "CDK writes its whole order down, also where a reference implies it",
    "W3010": "zones are settings, so that a synthesis needs no look-up",
}

PLANTED = """
from pathlib import Path
from aws_cdk import aws_s3 as s3
from deploy.cdk.app import build
from deploy.cdk.settings import load
app = build(load(Path({settings!r})), Path({out!r}))
s3.Bucket(app.node.find_child("Registry"), "Planted")
app.synth()
"""


def test_cfn_lint_finds_nothing_but_what_is_argued(assembly: Assembly) -> None:
    program = str(ENVIRONMENT / "bin" / "cfn-lint")
    done = run(program, "--ignore-checks", *ARGUED, "--", *map(str, assembly.templates()))
    assert (done.returncode, done.stdout) == (0, "")


def test_cdk_nag_refuses_a_bucket_that_accepts_plain_http(
    assemblies: Mapping[str, Assembly], tmp_path: Path
) -> None:
    # The assemblies exist, so it has found nothing in them; here it has something to find.
    script = PLANTED.format(settings=str(STAGES["development"]), out=str(tmp_path))
    done = run("-c", script)
    assert done.returncode != 0
    report = (tmp_path / "validation-report.json").read_text()
    assert "AwsSolutions-S10" in report
    assert "Registry/Planted" in report


def test_a_synthesis_looks_nothing_up(assembly: Assembly) -> None:
    assert not list(assembly.directory.rglob("cdk.context.json"))
    manifests = [path.read_text() for path in assembly.directory.rglob("manifest.json")]
    assert manifests
    assert not any('"missing"' in text for text in manifests)


def test_the_templates_are_those_that_somebody_has_read(production: Assembly) -> None:
    found = {f"{p.name.split('.')[0]}.json": normalised(p) for p in production.templates()}
    stored = {path.name: path.read_text() for path in SNAPSHOTS.glob("*.json")}
    differing = sorted(n for n in found | stored if found.get(n) != stored.get(n))
    assert not differing, f"{', '.join(differing)}: run `{COMMAND}`, and read what changes"
