"""A namespace with Kafka, the local AWS and a source, for the chart to be installed in.

It works on the cluster of the current kubeconfig, so it runs only when it is asked for:
``make cluster-test``. The images must be known to the cluster's nodes.
"""

import json
import os
import random
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import pytest

from deploy.helm.generate import CHART
from tests.chart.helm import LOCAL, binary, run
from txfeatures import __version__
from txfeatures.clock import SystemClock

FOLDER = Path(__file__).parent
LOCAL_PACKAGE = FOLDER.parents[1] / "src" / "txfeatures_local"
REGISTRY = os.environ.get("CLUSTER_TEST_REGISTRY", "")
TAG = os.environ.get("CLUSTER_TEST_TAG", __version__)
TIMEOUT = "540s"
LOOK_S = 0.5


class Namespace:
    """A namespace of the cluster, and helm and kubectl in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._clock = SystemClock()

    def kubectl(self, *arguments: str, text: str | bytes | None = None) -> str:
        """Run kubectl; fail with what the cluster says when it does."""
        return self._call([binary("kubectl"), "-n", self.name, *arguments], text)

    def helm(self, command: str, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Run helm on the release ``txfeatures``."""
        line = [binary("helm"), *command.split(), "txfeatures", *arguments, "-n", self.name]
        if values is None:
            return self._call(line, None)
        return self._call([*line, "-f", str(LOCAL), "-f", "-"], json.dumps(values))

    def get(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        found = json.loads(self.kubectl("get", kind, "-o", "json", *arguments))
        items: list[dict[str, Any]] = found.get("items", [found])
        return items

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods of the five services, without those that are being stopped."""
        chosen = "app.kubernetes.io/instance=txfeatures,app.kubernetes.io/component in "
        found = self.get("pods", "-l", f"{chosen}(poller,dedup,aggregator,fs-writer,api)")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def probe(self, question: str) -> Any:
        """Ask ``probe.py``, which runs beside the pipeline."""
        program = (FOLDER / "probe.py").read_text()
        answer = self.kubectl("exec", "-i", "probe", "--", "python", "-", question, text=program)
        return json.loads(answer.splitlines()[-1])

    def wait_until(self, is_true: Callable[[], bool], *, timeout_s: float = 300) -> None:
        """Look until ``is_true``."""
        deadline = self._clock.monotonic() + timeout_s
        while not is_true():
            assert self._clock.monotonic() < deadline, f"took too long\n{self._scene()}"
            self._clock.wait(threading.Event(), LOOK_S)

    def _call(self, line: Sequence[str], text: str | bytes | None) -> str:
        given = text.encode() if isinstance(text, str) else text
        result = subprocess.run(line, input=given, capture_output=True, check=False, timeout=590)
        said = result.stderr.decode(errors="replace")
        assert result.returncode == 0, f"{' '.join(line)}: {said}\n{self._scene()}"
        return result.stdout.decode()

    def _scene(self) -> str:
        """Return what a person would look at next."""
        kubectl = [binary("kubectl"), "-n", self.name]
        pods = run([*kubectl, "get", "pods,jobs,pvc", "-o", "wide"]).stdout
        events = run([*kubectl, "get", "events", "--sort-by=.lastTimestamp"]).stdout
        logs = run([*kubectl, "logs", "--prefix", "--tail=5", "-l", "app.kubernetes.io/part-of"])
        return "\n".join([pods, *events.splitlines()[-25:], logs.stdout])


@pytest.fixture(scope="package")
def cluster() -> None:
    """Skip, saying why, unless there is a cluster that may be used."""
    if os.environ.get("CLUSTER_TEST") != "1":
        pytest.skip("the current kubeconfig's cluster is used by `make cluster-test` only")
    binary("helm")
    if run([binary("kubectl"), "get", "--raw", "/readyz"]).returncode:
        pytest.skip("no cluster: the current kubeconfig's API server does not answer")


@pytest.fixture(scope="package")
def namespace(cluster: None) -> Iterator[Namespace]:
    """Make a namespace of the tests' own; it is deleted after them."""
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
    """Start what the pipeline needs; the source waits for its recording."""
    manifests = Template((FOLDER / "backends.yaml").read_text())
    registry = f"{REGISTRY.rstrip('/')}/" if REGISTRY else ""
    namespace.kubectl("apply", "-f", "-", text=manifests.substitute(REGISTRY=registry, TAG=TAG))
    for name in ("statefulset/kafka", "deployment/aws"):
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
    """Hand the source its recording."""
    running = "--for=jsonpath={.status.phase}=Running"
    namespace.kubectl("wait", "pod", "-l", "app=source", running, "--timeout=120s")
    take = "cat > /recording/part && mv /recording/part /recording/whole.ndjson.gz"
    namespace.kubectl(
        *("exec", "-i", "deployment/source", "--", "sh", "-c", take), text=recording.read_bytes()
    )
    namespace.kubectl("rollout", "status", "deployment/source", "--timeout=60s")


def values(namespace: Namespace, **more: Any) -> dict[str, Any]:
    """Return what the tests say besides values-local.yaml."""
    (service,) = namespace.get("service", "aws")
    return {
        "image": {"registry": REGISTRY, "tag": TAG},
        "aws": {"endpointUrl": f"http://{service['spec']['clusterIP']}:5000"},
        "compact": {"schedule": "0 0 1 1 *"},
        "services": {"poller": {"settings": POLLER}},
        **more,
    }


POLLER = {"interval_s": 0.2, "min_interval_s": 0, "backoff_first_s": 0.05, "backoff_max_s": 1}
"""A second of the recording each 0.2 s: it lasts some three minutes, stops not counted."""

__all__ = ["CHART", "TIMEOUT", "Namespace", "give_recording", "values"]
