"""A broker with ACLs: one user for each process, who may do what its declared rights allow."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from kafka_local import EmbeddedKafka
from kafka_local.certificates import Authority
from kafka_local.security import ListenerSecurity
from pydantic import SecretStr

from deploy.iam.declared import PROCESSES
from deploy.iam.kafka import Acl, Kind
from txfeatures.kafka.client import connection
from txfeatures.process.settings import KafkaSettings

ADMINISTRATOR = "administrator"
PASSWORD = "hidden-password"

_TYPES: Mapping[Kind, ResourceType] = {
    "cluster": ResourceType.BROKER,
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_AUDITED = re.compile(
    r"Principal = User:(\S+) is (Allowed|Denied) operation = (\w+) from host = \S+ on resource = "
    r"(\w+):LITERAL:(\S+) for request = (\w+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Access:
    """One decision of the broker's authorizer."""

    user: str
    is_allowed: bool
    operation: str
    resource: str
    name: str
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AclKafka:
    """The broker, the authority of its certificate, and the log of its authorizer."""

    broker: EmbeddedKafka
    authority: Authority
    audit: Path

    def settings(self, user: str) -> KafkaSettings:
        """Return the settings with which a user logs in."""
        return KafkaSettings(
            bootstrap_servers=self.broker.bootstrap_servers,
            security="scram",
            sasl_username=user,
            sasl_password=SecretStr(PASSWORD),
            ca_file=self.authority.file,
        )

    def environment(self, user: str) -> dict[str, str]:
        """Return the same settings as variables."""
        found = self.settings(user).model_dump(exclude_unset=True)
        return {
            f"TXF_KAFKA_{name}".upper(): v.get_secret_value()
            if isinstance(v, SecretStr)
            else str(v)
            for name, v in found.items()
        }

    def accesses(self) -> set[Access]:
        """Return every decision so far, but those about the tests themselves."""
        found = _AUDITED.findall(self.audit.read_text())
        return {
            Access(user, verdict.lower() == "allowed", operation, resource, name, request)
            for user, verdict, operation, resource, name, request in found
            if user not in {ADMINISTRATOR, "ANONYMOUS"}
        }

    def grant(self, user: str, acls: Iterable[Acl]) -> None:
        """Give a user rights."""
        admin = self._admin()  # the answers come while it lives
        for each in admin.create_acls([binding(user, acl) for acl in acls]).values():
            each.result()

    @contextmanager
    def without(self, user: str, acl: Acl) -> Iterator[None]:
        """Take a right away while the context lasts."""
        one = binding(user, acl)
        admin = self._admin()
        found = admin.delete_acls([_filter(one)])
        assert [len(each.result()) for each in found.values()] == [1]
        try:
            yield
        finally:
            self.grant(user, [acl])

    def _admin(self) -> AdminClient:
        return AdminClient(connection(self.settings(ADMINISTRATOR)))


@contextmanager
def acl_kafka(directory: Path) -> Iterator[AclKafka]:
    """Start the broker, and give each process its rights."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = Authority(directory, "authority")
    users = {name: process.kafka for name, process in PROCESSES.items() if process.kafka}
    security = ListenerSecurity(
        key_and_certificate=authority.broker(),
        users=dict.fromkeys((*users, ADMINISTRATOR), PASSWORD),
    )
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The broker reaches itself by the listener without a login.
        "super.users": f"User:{ADMINISTRATOR};User:ANONYMOUS",
    }
    audit = directory / "authorizer.log"
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("LOG4J_CONFIGURATION_FILE", str(_logging(directory, audit)))
        broker = EmbeddedKafka(directory / "kafka", security=security, properties=properties)
        with broker:
            found = AclKafka(broker=broker, authority=authority, audit=audit)
            for name, rights in users.items():
                found.grant(name, rights.acls())
            yield found


def binding(user: str, acl: Acl) -> AclBinding:
    """Return an ACL as Kafka's admin client wants it."""
    pattern = ResourcePatternType.PREFIXED if acl.is_prefix else ResourcePatternType.LITERAL
    return AclBinding(*_parts(user, acl, pattern))


def _filter(one: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        one.restype, one.name, one.resource_pattern_type, one.principal, one.host,
        one.operation, one.permission_type,
    )  # fmt: skip


def _parts(user: str, acl: Acl, pattern: ResourcePatternType) -> Any:
    operation = re.sub("(?<!^)([A-Z])", r"_\1", acl.operation).upper()
    return (
        _TYPES[acl.kind], acl.resource, pattern, f"User:{user}", "*",
        AclOperation[operation], AclPermissionType.ALLOW,
    )  # fmt: skip


def _logging(directory: Path, audit: Path) -> Path:
    """Write the configuration that lets the authorizer log each decision to a file."""
    file = directory / "log4j2.properties"
    file.write_text(
        dedent(f"""\
        appender.console.type = Console
        appender.console.name = console
        appender.console.layout.type = PatternLayout
        appender.console.layout.pattern = %d %p %m (%c)%n
        appender.audit.type = File
        appender.audit.name = audit
        appender.audit.fileName = {audit}
        appender.audit.layout.type = PatternLayout
        appender.audit.layout.pattern = %m%n
        rootLogger.level = INFO
        rootLogger.appenderRef.console.ref = console
        logger.audit.name = kafka.authorizer.logger
        logger.audit.level = DEBUG
        logger.audit.additivity = false
        logger.audit.appenderRef.audit.ref = audit
        """)
    )
    return file
