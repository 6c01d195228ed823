"""The life of a release on a real cluster, in order: install, test, upgrade, rollback, end."""

from typing import Any

import pytest

from tests.cluster.conftest import CHART, TIMEOUT, Namespace, give_recording, values
from tests.support import oracle
from tests.support.shared_data import BLOCK, shared_data
from txfeatures.topics import TOPICS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def identities(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def are_ready(pods: list[dict[str, Any]]) -> bool:
    conditions = [
        {found["type"]: found["status"] for found in pod["status"].get("conditions", [])}
        for pod in pods
    ]
    return all(found.get("Ready") == "True" for found in conditions)


def has_shown(namespace: Namespace, transactions: int) -> bool:
    shown: int = namespace.probe("shown")
    assert shown >= 0, "the recording was over before it was wanted to be"
    return shown >= transactions


@pytest.fixture(scope="module")
def release(backends: Namespace) -> Namespace:
    """Install the chart on a replay of a block."""
    give_recording(backends, shared_data(BLOCK))
    backends.helm(*("install", str(CHART), "--wait", "--timeout", TIMEOUT), values=values(backends))
    return backends


def test_install_waits_for_every_pod_and_every_pod_is_ready(release: Namespace) -> None:
    pods = release.pods()
    assert len(pods) == 9  # a poller, two of each other service
    assert are_ready(pods)


def test_helm_test_gets_the_latest_minute(release: Namespace) -> None:
    said = release.helm("test", "--logs", "--timeout", TIMEOUT)
    assert "Succeeded" in said
    assert "/features/latest 200" in said


def test_notes_say_what_is_missing(release: Namespace) -> None:
    said = release.helm("get notes")
    assert "settings.kafka.security: Kafka is reached in plain text" in said


def test_an_upgrade_and_a_rollback_in_mid_replay_lose_and_double_nothing(
    release: Namespace,
) -> None:
    recording = shared_data(BLOCK)
    release.wait_until(lambda: has_shown(release, 500))
    first = release.pods()
    changed = values(release, settings={"log": {"level": "debug"}})
    release.helm("upgrade", str(CHART), "--wait", "--timeout", TIMEOUT, values=changed)
    second = release.pods()
    assert len(second) == len(first)
    assert are_ready(second)
    assert not identities(first) & identities(second), "a pod was not replaced"
    assert has_shown(release, 501)

    release.helm("rollback", "1", "--wait", "--timeout", TIMEOUT)
    assert not identities(second) & identities(release.pods()), "a pod was not replaced"
    assert has_shown(release, 502)

    assert release.probe("drain")
    totals = {minute: tuple(found) for minute, found in release.probe("rows").items()}
    assert totals == oracle.minutes(recording)
    hashes = [str(tx["hash"]) for tx in oracle.transactions(recording)]
    assert release.probe("archive") == dict.fromkeys(hashes, 1)


def test_uninstall_leaves_topics_bucket_feature_group_and_the_spool(release: Namespace) -> None:
    release.helm("uninstall", "--wait", "--timeout", TIMEOUT)
    assert release.pods() == []
    left = release.probe("leftovers")
    assert left["topics"] == sorted(topic.name for topic in TOPICS)
    assert left["objects"] > 0
    assert left["feature_group"] == "Created"
    claims = [claim["metadata"]["name"] for claim in release.get("pvc")]
    assert "spool-txfeatures-poller-0" in claims
