"""The command that rewrites the lock: ``python -m kafka_local.relock``.

Moving to another version of Kafka is two steps: change ``KAFKA_VERSION`` in ``lock`` and run
this. It resolves the tree of dependencies again, downloads every jar of it and writes their
digests.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.maven import Artifact, MavenContext

from kafka_local.jars import PARALLEL_DOWNLOADS, maven
from kafka_local.lock import (
    KAFKA_VERSION,
    LOCK_FILE,
    LockedJar,
    format_lock,
    sha256_of,
)


def resolve(context: MavenContext) -> tuple[LockedJar, ...]:
    """Resolve, download and digest every jar that a broker of ``KAFKA_VERSION`` needs."""
    kafka = context.create_dependency(f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}")
    roots, transitive = context.resolver.resolve([kafka])
    artifacts = [dependency.artifact for dependency in (*roots, *transitive)]
    log4j = next(artifact for artifact in artifacts if artifact.artifactId == "log4j-core")
    # The binding is added by hand and not resolved with Kafka: the resolver treats each input as a
    # bill of materials, and Log4j's would replace Kafka's own client by an older one.
    binding = f"{log4j.groupId}:log4j-slf4j-impl:{log4j.version}"
    artifacts.append(context.create_dependency(binding).artifact)
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        return tuple(sorted(pool.map(_locked, artifacts), key=lambda jar: jar.coordinate))


def _locked(artifact: Artifact) -> LockedJar:
    return LockedJar(
        coordinate=f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}",
        sha256=sha256_of(artifact.resolve()),
    )


def main() -> None:
    """Rewrite the lock from the current content of Maven Central."""
    with tempfile.TemporaryDirectory() as directory:
        LOCK_FILE.write_text(format_lock(resolve(maven(Path(directory)))), encoding="utf-8")


if __name__ == "__main__":
    main()
