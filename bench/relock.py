"""Generator of the lock of the Java peer: ``python -m bench.relock``.

Kafka Streams has the version of the broker, which `kafka_local.relock` changes.
"""

import tempfile
from pathlib import Path

from kafka_local.jars import maven
from kafka_local.lock import KAFKA_VERSION, LockedJar, sha256_of

from bench.environments import PEERS

LOCK = PEERS / "kafka_streams.lock"
_HEADER = "# The jars of Kafka Streams. Written by `python -m bench.relock`; do not edit.\n"


def main() -> None:
    """Resolve, download and hash every jar that Kafka Streams needs."""
    with tempfile.TemporaryDirectory() as directory:
        context = maven(Path(directory))
        streams = context.create_dependency(f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}")
        roots, transitive = context.resolver.resolve([streams])
        jars = sorted(
            (
                LockedJar(
                    coordinate=f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}",
                    sha256=sha256_of(artifact.resolve()),
                )
                for artifact in (dependency.artifact for dependency in (*roots, *transitive))
            ),
            key=lambda jar: jar.coordinate,
        )
    lines = [f"{jar.coordinate} sha256:{jar.sha256}\n" for jar in jars]
    LOCK.write_text(_HEADER + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
