"""A namespace of the cluster, with the actions and observations of the tests."""

import json
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chart.helm import LOCAL, binary, run
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import SERVICES

FOLDER = Path(__file__).parent
COMPONENTS = tuple(service.replace("_", "-") for service in SERVICES)
LOOK_S = 0.5

Object = dict[str, Any]


class Namespace:
    """A namespace of the cluster, with helm and kubectl."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._clock = SystemClock()

    def kubectl(self, *arguments: str, text: str | bytes | None = None) -> str:
        """Run kubectl and return its output; fail with its errors."""
        return self._call([binary("kubectl"), "-n", self.name, *arguments], text)

    def helm(self, command: str, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Run helm on the release ``txfeatures``."""
        line = [binary("helm"), *command.split(), "txfeatures", *arguments, "-n", self.name]
        if values is None:
            return self._call(line, None)
        return self._call([*line, "-f", str(LOCAL), "-f", "-"], json.dumps(values))

    def get(self, kind: str, *arguments: str) -> list[Object]:
        """Return the objects of a kind."""
        found = json.loads(self.kubectl("get", kind, "-o", "json", *arguments))
        items: list[Object] = found.get("items", [found])
        return items

    def pods(self, *components: str) -> list[Object]:
        """Return the pods of these services, or of all, except pods that are being stopped."""
        chosen = ",".join(components or COMPONENTS)
        instance = "app.kubernetes.io/instance=txfeatures"
        found = self.get("pods", "-l", f"{instance},app.kubernetes.io/component in ({chosen})")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def python(self, pod: str, program: str, *arguments: str) -> str:
        """Run a program of this folder in a pod."""
        text = (FOLDER / program).read_text()
        return self.kubectl("exec", "-i", pod, "--", "python", "-", *arguments, text=text)

    def probe(self, question: str) -> Any:
        """Return the answer of ``probe.py``, which runs beside the pipeline."""
        return json.loads(self.python("pod/probe", "probe.py", question).splitlines()[-1])

    def sigkill(self, pod: Object) -> None:
        """Kill the process of a pod with SIGKILL, by ``sigkill.py`` on its node."""
        node = f"spec.nodeName={pod['spec']['nodeName']}"
        (neighbour,) = self.get("pods", "-l", "app=sigkill", "--field-selector", node)
        identity = container(pod)["containerID"].rpartition("/")[2]
        self.python(neighbour["metadata"]["name"], "sigkill.py", identity)

    def run_job(self, name: str, manifest: str) -> str:
        """Run a Job to its end and return its output; fail unless it completed."""
        self.kubectl("apply", "-f", "-", text=manifest)
        self.wait_until(lambda: self._has_ended(name))
        printed = self.kubectl("logs", f"job/{name}")
        (job,) = self.get("job", name)
        assert is_true(job, "Complete"), f"{name} did not complete: {printed}\n{self._scene()}"
        return printed

    def wait_until(self, is_so: Callable[[], bool], *, timeout_s: float = 300) -> None:
        """Wait until ``is_so``."""
        deadline = self._clock.monotonic() + timeout_s
        while not is_so():
            assert self._clock.monotonic() < deadline, f"took too long\n{self._scene()}"
            self._clock.wait(threading.Event(), LOOK_S)

    def _has_ended(self, job: str) -> bool:
        (found,) = self.get("job", job)
        return is_true(found, "Complete") or is_true(found, "Failed")

    def _call(self, line: Sequence[str], text: str | bytes | None) -> str:
        given = text.encode() if isinstance(text, str) else text
        result = subprocess.run(line, input=given, capture_output=True, check=False, timeout=590)
        errors = result.stderr.decode(errors="replace")
        assert result.returncode == 0, f"{' '.join(line)}: {errors}\n{self._scene()}"
        return result.stdout.decode()

    def _scene(self) -> str:
        """Return pods, events and logs, for the message of a failure."""
        kubectl = [binary("kubectl"), "-n", self.name]
        pods = run([*kubectl, "get", "pods,jobs,pvc", "-o", "wide"]).stdout
        events = run([*kubectl, "get", "events", "--sort-by=.lastTimestamp"]).stdout
        logs = run([*kubectl, "logs", "--prefix", "--tail=5", "-l", "app.kubernetes.io/part-of"])
        return "\n".join([pods, *events.splitlines()[-25:], logs.stdout])


def is_true(found: Object, condition: str) -> bool:
    """Return whether a condition in the status of an object is true."""
    conditions = {each["type"]: each["status"] for each in found["status"].get("conditions", [])}
    return conditions.get(condition) == "True"


def are_ready(pods: Sequence[Object]) -> bool:
    """Return whether every pod is ready."""
    return all(is_true(pod, "Ready") for pod in pods)


def container(pod: Object) -> Object:
    """Return the status of the one container of a pod."""
    (status,) = pod["status"]["containerStatuses"]
    found: Object = status
    return found
