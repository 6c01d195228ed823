"""The stack of the demo in which every process has its own login and exactly its own rights."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kafka_local import EmbeddedKafka
from kafka_local.ports import free_port

from tests.integration.conftest import Pipeline
from tests.support.acl_kafka import ADMINISTRATOR, AclKafka, acl_kafka
from tests.support.authorizing_aws import AuthorizingAws
from tests.support.site import SITE, policies
from txfeatures.process.clock import SystemClock
from txfeatures_local.demo.drained import Drain
from txfeatures_local.demo.plan import Plan, Source
from txfeatures_local.demo.stack import Stack
from txfeatures_local.source.replay_clock import ClockMode


@dataclass(slots=True, kw_only=True)
class SecuredStack(Stack):
    """The stack; ``aws`` and ``kafka`` know rights."""

    aws: AuthorizingAws
    kafka: AclKafka = field(init=False)

    @contextmanager
    def broker(self) -> Iterator[EmbeddedKafka]:
        """Start the broker with ACLs."""
        with acl_kafka(self.directory) as self.kafka:
            yield self.kafka.broker

    def environment_of(self, name: str) -> dict[str, str]:
        """Return the environment with the login of one process."""
        own = self.environment()
        if name in self.aws.policies:
            self.aws.behind = self.addresses.aws
            own |= {"AWS_ENDPOINT_URL": self.aws.url, "AWS_ACCESS_KEY_ID": name}
            own |= self.kafka.environment(name)
        return own


@dataclass(slots=True, kw_only=True)
class SecuredPipeline:
    """A running stack with rights, as the tests drive it."""

    stack: SecuredStack
    pipeline: Pipeline

    def drain(self) -> None:
        """Wait until everything has arrived."""
        drain = Drain(
            self.stack.kafka.settings(ADMINISTRATOR), status=self.pipeline.status, pollers=1
        )
        with closing(drain):
            self.pipeline.wait_until(drain.is_done)


@contextmanager
def secured_pipeline(directory: Path, recording: Path) -> Iterator[SecuredPipeline]:
    """Start the stack on a recording."""
    site = replace(SITE, table_format="glue", kms_key=None)
    plan = Plan(source=Source.REPLAY, file=recording, clock=ClockMode.POLL, port=free_port())
    with ExitStack() as opened:
        aws = opened.enter_context(AuthorizingAws("", policies(site)))
        stack = SecuredStack(
            plan=plan,
            directory=directory,
            report=lambda _: None,
            clock=SystemClock(),
            stop=threading.Event(),
            aws=aws,
        )
        opened.enter_context(stack)
        pipeline = opened.enter_context(closing(Pipeline(stack)))
        yield SecuredPipeline(stack=stack, pipeline=pipeline)
