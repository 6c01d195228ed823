"""fs_writer as two deployments of the same service."""

from typing import Any

import pytest

from tests.chart.helm import CASES, EKS, LOCAL, template
from txfeatures.process.settings import load
from txfeatures_fs_writer import archive_step, features_step
from txfeatures_fs_writer.settings import Settings

SPLIT: dict[str, Any] = {
    "services": {
        "fs_writer": {"split": True, "resources": {"limits": {"memory": "512Mi"}}},
        "fs_writer_archive": {"replicas": 1, "resources": {"limits": {"memory": "1536Mi"}}},
    }
}
FEATURES, ARCHIVE = "txfeatures-fs-writer", "txfeatures-fs-writer-archive"


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = template(EKS, values=SPLIT).get("Deployment", name)["spec"]["template"]
    return found


def test_unless_it_is_split_one_deployment_runs_both_steps() -> None:
    rendered = template(EKS)
    assert "TXF_FS_WRITER_STEPS" not in rendered.environment("fs-writer")
    assert ARCHIVE not in {found["metadata"]["name"] for found in rendered.objects}


@pytest.mark.parametrize(
    ("component", "steps"), [("fs-writer", "features"), ("fs-writer-archive", "archive")]
)
def test_each_deployment_runs_one_step(
    component: str, steps: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in template(LOCAL, values=SPLIT).environment(component).items():
        monkeypatch.setenv(name, value)
    assert load(Settings).steps == steps


def test_both_run_the_same_image_with_the_same_settings_but_the_steps() -> None:
    rendered = template(EKS, values=SPLIT)
    images = {pod(name)["spec"]["containers"][0]["image"] for name in (FEATURES, ARCHIVE)}
    assert len(images) == 1
    features, archive = (rendered.environment(c) for c in ("fs-writer", "fs-writer-archive"))
    assert {k: v for k, v in features.items() if archive.get(k) != v} == {
        "TXF_FS_WRITER_STEPS": "features"
    }


def test_each_has_its_own_replicas_and_memory() -> None:
    rendered = template(LOCAL, values=SPLIT)
    assert rendered.get("Deployment", ARCHIVE)["spec"]["replicas"] == 1
    assert [
        pod(name)["spec"]["containers"][0]["resources"]["limits"]["memory"]
        for name in (FEATURES, ARCHIVE)
    ] == ["512Mi", "1536Mi"]


def test_each_has_all_the_objects_of_a_service() -> None:
    rendered = template(EKS, values=SPLIT)
    kinds = [
        {o["kind"] for o in rendered.objects if o["metadata"]["name"] == name}
        for name in (FEATURES, ARCHIVE)
    ]
    assert kinds[0] == kinds[1] >= {"Service", "ConfigMap", "ServiceAccount", "NetworkPolicy"}
    for name in (FEATURES, ARCHIVE):
        selector = rendered.get("Deployment", name)["spec"]["selector"]["matchLabels"]
        assert selector["app.kubernetes.io/component"] == name.removeprefix("txfeatures-")
        assert rendered.get("Service", name)["spec"]["selector"] == selector


def test_each_scales_by_the_lag_of_its_own_group() -> None:
    rendered = template(EKS, values=SPLIT)
    groups = {
        name: [
            trigger["metadata"]["consumerGroup"]
            for trigger in rendered.get("ScaledObject", name)["spec"]["triggers"]
        ]
        for name in (FEATURES, ARCHIVE)
    }
    assert groups == {FEATURES: [features_step.GROUP], ARCHIVE: [archive_step.GROUP]}


def test_a_service_account_that_both_are_given_is_made_once() -> None:
    values = {"services": {"fs_writer": {"split": True, "serviceAccount": {"name": "writer"}}}}
    accounts = [o["metadata"]["name"] for o in template(EKS, values=values).of("ServiceAccount")]
    assert accounts.count("writer") == 1


@pytest.mark.parametrize("case", CASES)
def test_every_shipped_values_file_can_be_split(case: str) -> None:
    names = [
        (o["kind"], o["metadata"]["name"]) for o in template(CASES[case], values=SPLIT).objects
    ]
    assert len(names) == len(set(names))
    deployments = [name for kind, name in names if kind == "Deployment"]
    assert [name.rpartition("fs-writer")[2] for name in deployments if "fs-writer" in name] == [
        "",
        "-archive",
    ]
