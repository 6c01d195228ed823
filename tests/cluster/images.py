"""A check that the cluster has the images, before a test waits for them."""

import json
from typing import Any

from tests.cluster.namespace import COMPONENTS, Namespace

HOW = (
    "`kind load docker-image`, `minikube image load` or `ctr -n k8s.io images import` with each "
    "of them, or a registry, named by CLUSTER_TEST_REGISTRY"
)
KAFKA = "apache/kafka:4.1.0"
POD = "images"
REFUSALS = {"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"}


def missing(namespace: Namespace, *, registry: str, tag: str) -> list[str]:
    """Return the images that the cluster can't start."""
    ours = [f"{registry}txfeatures-{name}:{tag}" for name in (*COMPONENTS, "tools", "local")]
    # Without a registry in its name an image can't be pulled.
    policies = dict.fromkeys(ours, "IfNotPresent" if registry else "Never")
    pod = pod_of({**policies, KAFKA: "IfNotPresent"})
    namespace.kubectl("apply", "-f", "-", text=json.dumps(pod))
    namespace.wait_until(lambda: all(is_decided(status) for status in statuses(namespace)))
    found = [status["image"] for status in statuses(namespace) if is_refused(status)]
    namespace.kubectl("delete", "pod", POD, "--wait=false")
    return sorted(found)


def pod_of(policies: dict[str, str]) -> dict[str, Any]:
    """Return a pod with a container per image, each of which ends at once."""
    containers = [
        {"name": f"image-{number}", "image": image, "imagePullPolicy": policy, "command": ["true"]}
        for number, (image, policy) in enumerate(policies.items())
    ]
    spec = {"restartPolicy": "Never", "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": spec}


def statuses(namespace: Namespace) -> list[dict[str, Any]]:
    """Return the status of each container; an empty one until the pod is on a node."""
    (pod,) = namespace.get("pod", POD)
    found: list[dict[str, Any]] = pod["status"].get("containerStatuses", [{"state": {}}])
    return found


def is_refused(status: dict[str, Any]) -> bool:
    """Return whether the node lacks the image and can't pull it."""
    return status["state"].get("waiting", {}).get("reason") in REFUSALS


def is_decided(status: dict[str, Any]) -> bool:
    """Return whether a container has started, or can't start."""
    return bool({"running", "terminated"} & status["state"].keys()) or is_refused(status)
