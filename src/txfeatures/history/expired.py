"""Records of Kafka's topics that retention deleted before their reader came."""

from collections.abc import Mapping
from typing import Protocol

from txfeatures.domain.topics import AGGREGATED, DEDUPED, RAW
from txfeatures.history.comparison import Finding

READERS = (
    (RAW, "dedup"),
    (DEDUPED, "aggregator"),
    (DEDUPED, "fs_writer-archive"),
    (AGGREGATED, "fs_writer-features"),
)
"""Topics with the consumer groups that must read each of their records."""


class Offsets(Protocol):
    """The offsets of topics and groups, as `KafkaAdmin` knows them."""

    def committed(self, group: str, topic: str) -> Mapping[int, int]:
        """Return partition -> committed offset; raises TransientError."""
        ...

    def beginnings(self, topic: str) -> Mapping[int, int]:
        """Return partition -> offset of its first record; raises TransientError."""
        ...


def expired(offsets: Offsets) -> list[Finding]:
    """Return a finding for each partition that begins after the commit of one of its readers.

    A reader that has gone on since has committed beyond: its log and its metrics name the loss,
    and fs_writer leaves a note in the archive.

    Raises:
        TransientError: The brokers don't answer, or a topic is not there.
    """
    found = []
    for topic, group in READERS:
        begins = offsets.beginnings(topic)
        for partition, committed in sorted(offsets.committed(group, topic).items()):
            if (lost := begins[partition] - committed) > 0:
                detail = (
                    f"{lost:,} records of {topic} partition {partition} were gone before {group} "
                    f"read them (it was at offset {committed})"
                )
                found.append(Finding(minute="", where="kafka", kind="gone", detail=detail))
    return found
