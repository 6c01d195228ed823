"""A changelog that lost its beginning: the last act of a run, after all checks.

A table made from what is left would be silently wrong. The service must stop, or make the
table anew from its source.
"""

from contextlib import closing

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.chaos.stand import Stand
from tests.chaos.verdicts import Verdict

SERVICE, TOPIC = "dedup", "dedup-seen-changelog"
PATIENCE_S = 120.0
CALL_S = 30.0


def truncate_and_recover(stand: Stand) -> Verdict:
    """Delete the records of a changelog, kill its readers, and see what they do."""
    verdict = Verdict(
        name="T1",
        promise="a truncated changelog stops its service loudly, and is never counted on",
        checked=1,
    )
    names = [name for name in stand.services(SERVICE) if name not in stand.held]
    deleted = truncate(stand)
    if not deleted:
        verdict.found.append("nothing could be deleted")
        return verdict
    since_s = stand.clock.monotonic()
    for name in names:
        stand.kill(name)

    def refused() -> bool:
        return any(
            e.name in names and e.at_s > since_s and e.code > 0 and TOPIC in _words(stand, e.name)
            for e in stand.endings
        )

    def is_silent() -> bool:
        return all(stand.is_up(name) and stand.is_ready(name) for name in names)

    try:
        stand.wait_until(lambda: refused() or is_silent(), "the refusal", limit_s=PATIENCE_S)
    except TimeoutError as error:
        verdict.found.append(str(error))
    if not refused():
        verdict.found.append(f"{deleted} records were deleted, and {SERVICE} goes on as if whole")
    return verdict


def _words(stand: Stand, name: str) -> str:
    return stand.parts[name].log.read_text(errors="replace")[-20_000:]


def truncate(stand: Stand) -> int:
    """Delete the records of every partition of the changelog; return how many there were."""
    admin = AdminClient({"bootstrap.servers": stand.inside.bootstrap_servers})
    # Brokers refuse to delete records of a topic that is only compacted.
    _set_policy(admin, "compact,delete")
    partitions = admin.list_topics(TOPIC, timeout=CALL_S).topics[TOPIC].partitions
    settings = {
        "bootstrap.servers": stand.inside.bootstrap_servers,
        "group.id": "chaos-truncation",
    }
    with closing(Consumer(settings)) as consumer:
        ends = {
            number: consumer.get_watermark_offsets(TopicPartition(TOPIC, number), timeout=CALL_S)
            for number in partitions
        }
    wanted = [TopicPartition(TOPIC, number, high) for number, (_, high) in ends.items() if high]
    for answer in admin.delete_records(wanted).values():
        answer.result(CALL_S)
    _set_policy(admin, "compact")
    return sum(high - low for low, high in ends.values())


def _set_policy(admin: AdminClient, policy: str) -> None:
    entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[entry])
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result(CALL_S)
