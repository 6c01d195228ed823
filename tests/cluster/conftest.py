"""A namespace with Kafka, the local AWS and a source, in which the chart is installed.

It uses the cluster of the current kubeconfig, so it runs only by ``make cluster-test``. The
nodes of the cluster must have the images.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import pytest

from tests.chart.helm import binary, find, run
from tests.cluster import images
from tests.cluster.namespace import FOLDER, Namespace
from txfeatures import __version__

LOCAL_PACKAGE = FOLDER.parents[1] / "src" / "txfeatures_local"
REGISTRY = os.environ.get("CLUSTER_TEST_REGISTRY", "")
TAG = os.environ.get("CLUSTER_TEST_TAG", __version__)
POLLER = {"interval_s": 0.5, "min_interval_s": 0, "backoff_first_s": 0.05, "backoff_max_s": 1}
"""A second of the recording every 0.5 s: it lasts about seven minutes, pauses not counted."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of this folder, with the reason, unless a cluster may be used."""
    ours = [item for item in items if item.path.is_relative_to(FOLDER)]
    if ours and (reason := no_cluster()):
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))


def no_cluster() -> str | None:
    """Return the reason why no cluster can be used, None if one can."""
    if os.environ.get("CLUSTER_TEST") != "1":
        return "the current kubeconfig's cluster is used by `make cluster-test` only"
    if absent := [name for name in ("helm", "kubectl") if not find(name)]:
        return f"no {' and no '.join(absent)} on PATH: no cluster can be used"
    if run([binary("kubectl"), "get", "--raw", "/readyz", "--request-timeout=10s"]).returncode:
        return (
            "no cluster: the current kubeconfig's API server does not answer; start one and "
            f"give its nodes {images.KAFKA} and the images of `make images`: {images.HOW}"
        )
    return None


@pytest.fixture(scope="package")
def namespace() -> Iterator[Namespace]:
    """Create a namespace for the tests; it is deleted after them."""
    name = f"txfeatures-test-{random.randrange(16**6):06x}"
    kubectl = binary("kubectl")
    assert run([kubectl, "create", "namespace", name]).returncode == 0
    try:
        yield Namespace(name)
    finally:
        subprocess.run(
            [kubectl, "delete", "namespace", name, "--timeout=110s"],
            capture_output=True,
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="package")
def backends(namespace: Namespace) -> Namespace:
    """Start the dependencies of the pipeline; the source waits for its recording."""
    registry = f"{REGISTRY.rstrip('/')}/" if REGISTRY else ""
    if absent := images.missing(namespace, registry=registry, tag=TAG):
        pytest.fail(
            f"the cluster's nodes have no {', no '.join(absent)}; `make images` builds ours, "
            f"give them to the nodes: {images.HOW}",
            pytrace=False,
        )
    manifests = Template((FOLDER / "backends.yaml").read_text())
    namespace.kubectl("apply", "-f", "-", text=manifests.substitute(REGISTRY=registry, TAG=TAG))
    for name in ("statefulset/kafka", "deployment/aws", "daemonset/sigkill"):
        namespace.kubectl("rollout", "status", name, "--timeout=180s")
    namespace.kubectl("wait", "pod/probe", "--for=condition=Ready", "--timeout=60s")
    packed = subprocess.run(
        ["tar", "c", "--exclude=__pycache__", "-C", str(LOCAL_PACKAGE.parent), LOCAL_PACKAGE.name],
        capture_output=True,
        check=True,
    ).stdout
    namespace.kubectl("exec", "-i", "probe", "--", "tar", "x", "-C", "/tmp", text=packed)
    return namespace


def give_recording(namespace: Namespace, recording: Path) -> None:
    """Copy the recording to the source."""
    running = "--for=jsonpath={.status.phase}=Running"
    namespace.kubectl("wait", "pod", "-l", "app=source", running, "--timeout=120s")
    take = "cat > /recording/part && mv /recording/part /recording/whole.ndjson.gz"
    namespace.kubectl(
        *("exec", "-i", "deployment/source", "--", "sh", "-c", take), text=recording.read_bytes()
    )
    namespace.kubectl("rollout", "status", "deployment/source", "--timeout=60s")


def values(namespace: Namespace, **more: Any) -> dict[str, Any]:
    """Return the values of the tests in addition to values-local.yaml."""
    (service,) = namespace.get("service", "aws")
    return {
        "image": {"registry": REGISTRY, "tag": TAG},
        "aws": {"endpointUrl": f"http://{service['spec']['clusterIP']}:5000"},
        "compact": {"schedule": "0 0 1 1 *"},
        "services": {"poller": {"settings": POLLER}},
        **more,
    }
