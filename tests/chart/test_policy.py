"""What every pod of the chart keeps to, whatever the values."""

from pathlib import Path

import pytest

from deploy.helm.generate import CHART
from tests.chart.helm import CASES, LOCAL, Object, binary, run, template

cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def containers(pod: Object) -> list[Object]:
    spec = pod["spec"]
    found: list[Object] = [*spec["containers"], *spec.get("initContainers", [])]
    return found


@cases
def test_helm_finds_nothing_to_complain_of(case: Path) -> None:
    result = run([binary("helm"), "lint", str(CHART), "--strict", "-f", str(case)])
    assert result.returncode == 0, result.stdout + result.stderr


@cases
def test_no_pod_runs_as_root_or_may_become_root(case: Path) -> None:
    for name, pod in template(case).pods():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] == 10001, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


@cases
def test_every_container_says_what_it_needs_and_what_it_may_take(case: Path) -> None:
    for name, pod in template(case).pods():
        for container in containers(pod):
            for bound in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][bound].keys(), name


@cases
def test_every_image_has_a_tag_that_stays(case: Path) -> None:
    for name, pod in template(case).pods():
        for container in containers(pod):
            repository, _, tag = container["image"].rpartition(":")
            assert repository.rpartition("/")[2].startswith("txfeatures-"), name
            assert tag not in ("", "latest"), name


@cases
def test_no_pod_has_the_clusters_token_or_the_names_of_its_services(case: Path) -> None:
    for name, pod in template(case).pods():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["enableServiceLinks"] is False, name


@cases
def test_every_object_has_the_recommended_labels(case: Path) -> None:
    for found in template(case).objects:
        labels = found["metadata"]["labels"]
        for label in ("name", "instance", "component", "version", "part-of", "managed-by"):
            assert labels.get(f"app.kubernetes.io/{label}"), (found["kind"], label)


@cases
def test_names_are_unique_and_short_enough_for_the_labels_made_of_them(case: Path) -> None:
    names = [(found["kind"], found["metadata"]["name"]) for found in template(case).objects]
    assert len(names) == len(set(names))
    assert max(len(name) for kind, name in names if kind == "StatefulSet") <= 52


@cases
def test_selectors_match_the_pods_they_are_for_and_no_others(case: Path) -> None:
    rendered = template(case)
    labels = {name: pod["metadata"]["labels"] for name, pod in rendered.pods()}
    for kind in ("StatefulSet", "Deployment", "PodDisruptionBudget", "NetworkPolicy", "Service"):
        for found in rendered.of(kind):
            spec = found["spec"]
            selector = spec.get("selector") or spec.get("podSelector")
            selector = selector.get("matchLabels", selector)
            matched = [name for name, has in labels.items() if selector.items() <= has.items()]
            assert len(matched) == 1, (kind, found["metadata"]["name"], matched)


def test_another_setting_restarts_its_service_and_no_other() -> None:
    before = dict(template(LOCAL).pods())
    values = {"services": {"api": {"settings": {"cache_s": 0.1}}}}
    after = dict(template(LOCAL, values=values).pods())
    changed = {
        name
        for name, pod in before.items()
        if pod["metadata"].get("annotations") != after[name]["metadata"].get("annotations")
    }
    assert changed == {"Deployment/txfeatures-api"}
