from pathlib import Path
from typing import Any

from kafka_local.jars import maven
from kafka_local.lock import KAFKA_VERSION
from kafka_local.relock import resolve

_POM = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""
_DEPENDENCY = """\
<dependency>
  <groupId>{0}</groupId><artifactId>{1}</artifactId><version>{2}</version>
  <scope>{scope}</scope>
</dependency>
"""


def publish(repository: Any, coordinate: str, **scopes: str) -> None:
    dependencies = "".join(
        _DEPENDENCY.format(*name.split(":"), scope=scope) for name, scope in scopes.items()
    )
    pom = _POM.format(*coordinate.split(":"), dependencies=dependencies)
    repository.put(coordinate, pom.encode(), kind="pom")
    repository.put(coordinate, coordinate.encode())


def test_the_lock_holds_what_kafka_runs_with_and_the_logging_binding_of_its_log4j(
    repository: Any, tmp_path: Path
) -> None:
    kafka = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
    client = f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}"
    log4j = "org.apache.logging.log4j:log4j-core:7.8.9"
    binding = "org.apache.logging.log4j:log4j-slf4j-impl:7.8.9"
    junit = "org.junit:junit:5"
    publish(repository, kafka, **{client: "compile", log4j: "runtime", junit: "test"})
    publish(repository, client)
    publish(repository, log4j)
    publish(repository, junit)
    # As Log4j's own bill of materials does: what it manages must not reach Kafka's tree.
    publish(repository, binding, **{"org.apache.kafka:kafka-clients:3.9.1": "test"})

    jars = resolve(maven(tmp_path / "maven", repository.url))

    assert [jar.coordinate for jar in jars] == sorted([kafka, client, log4j, binding])
    downloaded = tmp_path / "maven" / "org/apache/logging/log4j/log4j-slf4j-impl/7.8.9"
    assert jars[-1].matches(downloaded / jars[-1].filename)
