"""The life of a release on a real cluster, in order: install, test, upgrade, rollback, crashes,
compaction, the end of the replay, uninstall. One replay of a block lasts through all of them.
"""

import json
import os
import re
from typing import Any

import pytest

from deploy.helm.generate import CHART
from tests.cluster import images, sources
from tests.cluster.conftest import give_recording, values
from tests.cluster.namespace import COMPONENTS, Namespace, Object, are_ready, container
from tests.support import oracle
from tests.support.shared_data import BLOCK, shared_data
from txfeatures.domain.topics import TOPICS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

TIMEOUT = "540s"
PODS = 9  # a poller, two of each other service
COMPACT = "cronjob/txfeatures-compact"
BY_SIGKILL = (128 + 9, "Error")


def identities(pods: list[Object]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def shown(namespace: Namespace) -> int:
    """Return the number of transactions that the source has shown; fail after the last."""
    transactions: int = namespace.probe("shown")
    assert transactions >= 0, "the recording ended too early"
    return transactions


def show_more(namespace: Namespace, transactions: int) -> None:
    """Wait until the source has shown that many more transactions."""
    before = shown(namespace)
    namespace.wait_until(lambda: shown(namespace) >= before + transactions)


def has_come_back(namespace: Namespace, component: str, killed: list[Object]) -> bool:
    """Return whether every container of a service has restarted in its pod and is ready."""
    pods = namespace.pods(component)
    before = {container(pod)["containerID"] for pod in killed}
    now = {container(pod).get("containerID") for pod in pods}
    return identities(pods) == identities(killed) and not before & now and are_ready(pods)


def how_it_ended(pod: Object) -> tuple[int, str]:
    """Return the exit code and the reason of the only crash of a pod."""
    status = container(pod)
    assert status["restartCount"] == 1
    ended = status["lastState"]["terminated"]
    return ended["exitCode"], ended["reason"]


def compaction(namespace: Namespace, name: str, *options: str) -> str:
    """Return the Job of ``kubectl create job --from`` the CronJob, with further options."""
    made = namespace.kubectl(
        *("create", "job", name, "--from", COMPACT, "--dry-run=client", "-o", "json")
    )
    job: dict[str, Any] = json.loads(made)
    (command,) = job["spec"]["template"]["spec"]["containers"]
    command["args"] += options
    return json.dumps(job)


@pytest.fixture(scope="module")
def release(backends: Namespace) -> Namespace:
    """Install the chart on a replay of a block."""
    give_recording(backends, shared_data(BLOCK))
    backends.helm(*("install", str(CHART), "--wait", "--timeout", TIMEOUT), values=values(backends))
    return backends


def test_install_waits_for_every_pod_and_every_pod_is_ready(release: Namespace) -> None:
    pods = release.pods()
    assert len(pods) == PODS
    assert are_ready(pods)


@pytest.mark.skipif(
    "CLUSTER_TEST_TAG" in os.environ, reason="CLUSTER_TEST_TAG may name images of other code"
)
def test_the_images_hold_the_code_that_is_here(release: Namespace) -> None:
    here = sources.digests()
    names = [pod["metadata"]["name"] for pod in release.pods()]
    for name in (*names, "probe", "deployment/aws"):
        there = json.loads(release.python(name, "sources.py"))
        assert there.items() <= here.items(), f"{name}: `make images`, then {images.HOW}"


def test_helm_test_finds_no_fault_and_gets_the_latest_minute(release: Namespace) -> None:
    said = release.helm("test", "--logs", "--timeout", TIMEOUT)
    assert "Succeeded" in said
    assert "configuration of topics" in said
    assert "/features/latest 200" in said


def test_notes_say_what_is_missing(release: Namespace) -> None:
    said = release.helm("get notes")
    assert "settings.kafka.security: Kafka is reached in plain text" in said


def test_an_upgrade_and_a_rollback_in_mid_replay_replace_every_pod(release: Namespace) -> None:
    show_more(release, 200)
    first = release.pods()
    changed = values(release, settings={"log": {"level": "debug"}})
    release.helm("upgrade", str(CHART), "--wait", "--timeout", TIMEOUT, values=changed)
    second = release.pods()
    assert len(second) == PODS
    assert are_ready(second)
    assert not identities(first) & identities(second), "a pod was not replaced"
    show_more(release, 1)

    release.helm("rollback", "1", "--wait", "--timeout", TIMEOUT)
    third = release.pods()
    assert len(third) == PODS
    assert not identities(second) & identities(third), "a pod was not replaced"
    show_more(release, 1)


@pytest.mark.parametrize("component", COMPONENTS)
def test_sigkill_of_all_processes_of_a_service_in_mid_replay_restarts_them(
    release: Namespace, component: str
) -> None:
    show_more(release, 100)
    killed = release.pods(component)
    for pod in killed:
        release.sigkill(pod)
    release.wait_until(lambda: has_come_back(release, component, killed))
    assert [how_it_ended(pod) for pod in release.pods(component)] == [BY_SIGKILL] * len(killed)
    show_more(release, 1)


def test_a_compaction_in_mid_replay_completes_beside_the_writers(release: Namespace) -> None:
    printed = release.run_job("compact-early", compaction(release, "compact-early"))
    assert re.search(r"archive: [1-9]\d* objects .* made into [1-9]", printed)
    show_more(release, 1)


def test_all_pods_lost_at_once_in_mid_replay_are_made_again(release: Namespace) -> None:
    show_more(release, 100)
    lost = release.pods()
    names = [pod["metadata"]["name"] for pod in lost]
    release.kubectl("delete", "pod", "--force", "--grace-period=0", *names)
    release.wait_until(lambda: len(release.pods()) == PODS and are_ready(release.pods()))
    assert not identities(lost) & identities(release.pods())
    show_more(release, 1)


def test_after_all_that_each_minute_and_each_transaction_is_there_once(release: Namespace) -> None:
    recording = shared_data(BLOCK)
    assert release.probe("drain")
    expected = {minute: list(totals) for minute, totals in oracle.minutes(recording).items()}
    assert release.probe("rows") == expected
    assert release.probe("served") == expected
    hashes = [str(tx["hash"]) for tx in oracle.transactions(recording)]
    assert release.probe("archive")["hashes"] == dict.fromkeys(hashes, 1)


def test_the_compaction_of_the_cronjob_makes_fewer_objects_of_the_same_rows(
    release: Namespace,
) -> None:
    before = release.probe("archive")
    printed = release.run_job("compact-now", compaction(release, "compact-now"))
    compacted = release.probe("archive")
    merged = set(before["live"]) - set(compacted["live"])
    made = set(compacted["live"]) - set(before["live"])
    dead = set(compacted["stored"]) - set(compacted["live"])
    assert len(compacted["live"]) < len(before["live"])
    assert compacted["digest"] == before["digest"]
    assert f"archive: {len(merged)} objects" in printed
    assert f"made into {len(made)}; 0 dead ones deleted, {len(dead)} kept" in printed

    # Dead objects are kept for their readers, for an hour by default.
    again = compaction(release, "compact-again", "--grace-s", "0")
    assert f"made into 0; {len(dead)} dead ones deleted" in release.run_job("compact-again", again)
    cleared = release.probe("archive")
    assert cleared["stored"] == cleared["live"] == compacted["live"]
    assert len(cleared["stored"]) < len(before["stored"])
    assert cleared["digest"] == before["digest"]


def test_uninstall_leaves_topics_bucket_feature_group_and_the_spool(release: Namespace) -> None:
    release.helm("uninstall", "--wait", "--timeout", TIMEOUT)
    assert release.pods() == []
    left = release.probe("leftovers")
    assert left["topics"] == sorted(topic.name for topic in TOPICS)
    assert left["objects"] > 0
    assert left["feature_group"] == "Created"
    claims = [claim["metadata"]["name"] for claim in release.get("pvc")]
    assert "spool-txfeatures-poller-0" in claims
