"""Acceptance of the chart's manifests, with all its values files, by a real API server."""

from pathlib import Path

import pytest
import yaml

from tests.chart.helm import CASES, template
from tests.cluster.namespace import Namespace

pytestmark = pytest.mark.integration

OPERATORS = {"keda.sh", "external-secrets.io", "monitoring.coreos.com"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_dry_run_by_the_server_takes_every_object(namespace: Namespace, case: Path) -> None:
    served = namespace.kubectl("api-versions").split()
    objects = template(case).objects
    unknown = [found for found in objects if found["apiVersion"] not in served]
    assert {found["apiVersion"].partition("/")[0] for found in unknown} <= OPERATORS
    known = [
        {**found, "metadata": {**found["metadata"], "namespace": namespace.name}}
        for found in objects
        if found not in unknown
    ]
    assert len(known) > 15
    said = namespace.kubectl(
        *("apply", "--dry-run=server", "-f", "-"), text=yaml.safe_dump_all(known)
    )
    assert said.count("(server dry run)") == len(known)
