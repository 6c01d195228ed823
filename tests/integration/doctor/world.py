"""An installation after bootstrap, on three real brokers and a local AWS that knows rights."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, TopicMetadata
from featurestore_local import LocalAws
from kafka_local import EmbeddedKafka
from typer.testing import CliRunner

from tests.support.authorizing_aws import ADMINISTRATOR, AuthorizingAws
from tests.support.local_account import entered
from tests.support.site import SITE, policies
from tests.support.waiting import wait_until
from txfeatures.bootstrap import BootstrapSettings, bootstrap
from txfeatures.cli import create_app
from txfeatures.process import aws
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime

BROKERS = 3

Findings = dict[str, tuple[str, str]]
"""Name of the check -> state and sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The installation, in which faults are planted.

    Attributes:
        aws: The local AWS, of which doctor is a caller with its declared rights.
        brokers: A client of each broker alone: they learn of changes one after another.
    """

    aws: AuthorizingAws
    brokers: tuple[AdminClient, ...] = field(repr=False)

    @property
    def admin(self) -> AdminClient:
        return self.brokers[0]

    def wait_for(self, topic: str, is_right: Callable[[TopicMetadata | None], bool]) -> None:
        """Wait until every broker shows a topic as it is to be; None stands for its absence."""
        for broker in self.brokers:

            def is_shown(broker: AdminClient = broker) -> bool:
                return is_right(broker.list_topics(timeout=10).topics.get(topic))

            wait_until(is_shown)

    def make_everything(self) -> None:
        """Bootstrap, as the administrator of the account."""
        settings = BootstrapSettings(replication=BROKERS)
        runtime = Runtime(metrics=Metrics("bootstrap"))
        with self.as_administrator():
            bootstrap(settings, runtime=runtime, say=lambda _: None)

    @contextmanager
    def as_administrator(self) -> Iterator[None]:
        """Let the clients of the context call AWS with every right."""
        with variables(AWS_ACCESS_KEY_ID=ADMINISTRATOR, AWS_ENDPOINT_URL=self.aws.behind):
            yield


@contextmanager
def installed(directory: Path) -> Iterator[World]:
    """Start everything and bootstrap; the environment is that of doctor."""
    site = replace(SITE, table_format="glue", kms_key=None)
    with ExitStack() as opened:
        kafka = opened.enter_context(EmbeddedKafka(directory, brokers=BROKERS))
        local = opened.enter_context(LocalAws(settling_s=0.0))
        opened.enter_context(entered(local))
        secured = opened.enter_context(AuthorizingAws(local.endpoint_url, policies(site)))
        brokers = tuple(
            AdminClient({"bootstrap.servers": broker.bootstrap_servers}) for broker in kafka.brokers
        )
        login = variables(
            TXF_KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers,
            TXF_AWS_TIMEOUT_S="20",
            AWS_ENDPOINT_URL=secured.url,
            AWS_ACCESS_KEY_ID="doctor",
        )
        opened.enter_context(login)
        world = World(aws=secured, brokers=brokers)
        world.make_everything()
        yield world


@contextmanager
def variables(**values: str | None) -> Iterator[None]:
    """Change the environment while the context lasts; None removes a variable."""
    with pytest.MonkeyPatch.context() as environ:
        for name, value in values.items():
            if value is None:
                environ.delenv(name, raising=False)
            else:
                environ.setenv(name, value)
        aws._session.cache_clear()
        try:
            yield
        finally:
            aws._session.cache_clear()


def examined(*arguments: str) -> tuple[int, Findings]:
    """Run the command; return its exit code and its findings."""
    result = CliRunner().invoke(create_app(), ["doctor", "--json", *arguments])
    assert result.exit_code in {0, 1}, (result.output, result.exception)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    names = [each["check"] for each in found]
    assert len(set(names)) == len(names)
    return result.exit_code, {each["check"]: (each["state"], each["sentence"]) for each in found}


def of_state(findings: Findings, *states: str) -> dict[str, str]:
    """Return check -> sentence of the findings with one of these states."""
    return {name: sentence for name, (state, sentence) in findings.items() if state in states}
