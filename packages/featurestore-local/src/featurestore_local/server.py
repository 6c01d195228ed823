"""The local AWS: one port for S3, Glue, IAM, ... and SageMaker Feature Store.

Set ``AWS_ENDPOINT_URL`` to its URL, and plain boto3 works. All state is in memory, moto's
in a child process. With a journal, a restart restores everything stored, including records
that are not offline yet. Names and times that moto generates (multipart uploads,
``LastModified``) differ then, and Athena's queries are lost, with their effects on a table's
files.
"""

import logging
import threading
from contextlib import ExitStack, closing
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from werkzeug.test import run_wsgi_app

from featurestore_local.app import Application
from featurestore_local.changes import ChangeClock, Changes, Journal
from featurestore_local.clock import Clock, SystemClock
from featurestore_local.controls import Controls
from featurestore_local.faults import FaultPlan
from featurestore_local.listener import LOOPBACK, Listener, wsgi_environ
from featurestore_local.moto_process import MotoProcess
from featurestore_local.offline import flush_regularly
from featurestore_local.services import build_services, has_offline_extra

logger = logging.getLogger(__name__)

_CREDENTIAL = "local"  # any value: signatures aren't checked here


class LocalAws:
    """A local AWS in this process, between ``start`` and ``stop`` or as a context manager.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 chooses a free one.
        region: The only region served.
        offline_delay_s: Delay of offline rows before they are written to S3; up to 15 minutes
            on AWS.
        settling_s: Duration of creations, updates and deletions of feature groups.
        clock: The source of time; its ``wait`` must really wait.
        journal: File of all changes, replayed at a start; None keeps none.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        region: str = "eu-west-1",
        offline_delay_s: float = 1.0,
        settling_s: float = 0.2,
        clock: Clock | None = None,
        journal: Path | None = None,
    ) -> None:
        self.region = region
        self._host = host
        self._port = port
        self._offline_delay_s = offline_delay_s
        self._settling_s = settling_s
        self._clock = ChangeClock(clock or SystemClock())
        self._journal = journal
        self._resources = ExitStack()

    @property
    def endpoint_url(self) -> str:
        """Return the URL for ``AWS_ENDPOINT_URL``; with port 0, valid only once started."""
        return f"http://{self._host}:{self._port}"

    def start(self) -> None:
        """Start the server, with the state that the journal holds.

        Raises:
            LocalStoreError: The port is in use, or the journal can't be read or written.
        """
        with ExitStack() as opened:
            changes = Changes(self._clock, self._open_journal(opened))
            moto = opened.enter_context(closing(MotoProcess()))
            services, flush = build_services(
                opened,
                changes,
                self._clients(opened, moto.port),
                clock=self._clock,
                settling_s=self._settling_s,
                region=self.region,
                with_offline=has_offline_extra(),
            )
            opened.callback(flush)
            listener = Listener(host=self._host, port=self._port)
            opened.callback(listener.close)
            self._port = listener.port
            stop, plan = threading.Event(), FaultPlan()
            application = Application(
                services=services,
                local=Controls(plan, flush),
                moto=moto,
                plan=plan,
                changes=changes,
                region=self.region,
                clock=self._clock,
                stop=stop,
            )
            replayed = changes.repeat(
                lambda strings, body: _answer(application, wsgi_environ(strings, body))
            )
            if replayed:
                logger.info("replayed %d changes of the journal", replayed)
            listener.start(application)
            flusher = threading.Thread(
                target=flush_regularly,
                args=(flush,),
                kwargs={"stop": stop, "clock": self._clock, "delay_s": self._offline_delay_s},
                daemon=True,
            )
            flusher.start()
            opened.callback(flusher.join)
            opened.callback(stop.set)
            self._resources = opened.pop_all()

    def stop(self) -> None:
        """Stop the server, then write the remaining offline rows."""
        self._resources.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _open_journal(self, opened: ExitStack) -> Journal | None:
        if self._journal is None:
            return None
        return opened.enter_context(closing(Journal(self._journal)))

    def _clients(self, opened: ExitStack, moto_port: int) -> dict[str, Any]:
        # The server's own calls (Glue tables, offline objects) go straight to moto: faults apply
        # to clients' calls only, and each of these is part of the change that makes it.
        return {
            name: opened.enter_context(closing(self._client(name, moto_port)))
            for name in ("athena", "glue", "s3")
        }

    def _client(self, service: str, port: int) -> Any:
        config = Config(
            proxies={},  # a proxy can't reach the loopback address
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        return _session().client(
            service,  # type: ignore[call-overload]
            region_name=self.region,
            aws_access_key_id=_CREDENTIAL,
            aws_secret_access_key=_CREDENTIAL,
            endpoint_url=f"http://{LOOPBACK}:{port}",
            config=config,
        )


def _answer(application: Application, environ: dict[str, Any]) -> None:
    run_wsgi_app(application, environ, buffered=True)


@lru_cache(maxsize=1)
def _session() -> boto3.Session:
    # One session for all: it caches the services' models, which are slow to load.
    return boto3.Session()
