"""What helm says at the end of an install."""

from pathlib import Path

import pytest

from deploy.helm.generate import CHART
from tests.chart.helm import EKS, LOCAL, binary, run


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("KUBECONFIG", "/dev/null")  # no cluster is asked
    return monkeypatch


def said(values: Path) -> str:
    line = [binary("helm"), "install", "txfeatures", str(CHART), "-n", "features"]
    result = run([*line, "--dry-run=client", "-f", str(values)])
    assert result.returncode == 0, result.stderr
    return result.stdout.partition("\nNOTES:\n")[2]


def test_notes_tell_how_to_look_and_to_ask(notes: pytest.MonkeyPatch) -> None:
    text = said(EKS)
    assert "kubectl -n features port-forward service/txfeatures-api 8080:80" in text
    assert "helm -n features test txfeatures --logs" in text
    assert "kubectl -n features logs job/txfeatures-bootstrap" in text
    assert "txfeatures-fs-writer\n" in text


def test_notes_miss_nothing_on_eks_and_say_what_a_test_cluster_lacks(
    notes: pytest.MonkeyPatch,
) -> None:
    assert "Missing:\n  nothing." in said(EKS)
    local = said(LOCAL)
    for missing in (
        "settings.aws.role_arn",
        "settings.aws.bucket",
        "settings.kafka.security",
        "monitoring.serviceMonitor.enabled",
        "monitoring.prometheusRule.enabled",
    ):
        assert f"  - {missing}: " in local
