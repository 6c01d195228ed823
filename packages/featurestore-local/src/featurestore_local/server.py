"""The local AWS: one port for S3, Glue, IAM, ... and SageMaker Feature Store.

Set ``AWS_ENDPOINT_URL`` to its URL, and plain boto3 works. What it stores is in memory
and, in moto's part, of the process: run one ``LocalAws`` per process at a time. With a
journal, a new start has again what was stored, and what was put but not yet offline; names
and times that moto makes up (uploads in parts, ``LastModified``) are others then, and
Athena's queries are forgotten, with what they did to a table's files.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.session import get_session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client, run_wsgi_app

from featurestore_local.app import Application, Service
from featurestore_local.athena import Athena
from featurestore_local.catalog import put_table
from featurestore_local.changes import ChangeClock, Changes, Journal
from featurestore_local.clock import Clock, SystemClock
from featurestore_local.control import ControlPlane, is_about_other_resource
from featurestore_local.controls import FLUSH, Controls
from featurestore_local.data import DataPlane
from featurestore_local.faults import FaultPlan
from featurestore_local.iceberg import IcebergTables
from featurestore_local.listener import Listener, wsgi_environ
from featurestore_local.model import FeatureGroup
from featurestore_local.offline import OfflineStore, flush_regularly
from featurestore_local.registry import Registry
from featurestore_local.wire import AthenaJson, RestJson, TargetJson

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger(__name__)

ACCOUNT = "123456789012"
"""The account that moto gives everybody."""

_LOOPBACK = "127.0.0.1"
_CREDENTIAL = "local"  # any will do: nobody checks signatures here


class LocalAws:
    """A local AWS that runs in this process between ``start`` and ``stop``, or as a context.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        region: The one region served.
        offline_delay_s: How long offline rows wait before they are in S3; AWS takes up to
            15 minutes.
        settling_s: How long feature groups are Creating, Deleting or updated.
        clock: What time it is; its ``wait`` must take that long.
        journal: File of all changes, repeated at a start; None forgets them.
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
        """Return the URL for ``AWS_ENDPOINT_URL``; with port 0, it is known once started."""
        return f"http://{self._host}:{self._port}"

    def start(self) -> None:
        """Start to answer, with what the journal holds.

        Raises:
            FatalError: The port is taken, or the journal can't be read or written.
        """
        with ExitStack() as opened:
            changes = Changes(self._clock, self._open_journal(opened))
            moto = DomainDispatcherApplication(create_backend_app)
            Client(moto).post("/moto-api/reset")
            services, flush = self._services(opened, changes, self._clients(opened, moto))
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
            repeated = changes.repeat(
                lambda strings, body: _answer(application, wsgi_environ(strings, body))
            )
            if repeated:
                logger.info("repeated %d changes of the journal", repeated)
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
        """Stop answering, then write the offline rows that wait."""
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

    def _clients(self, opened: ExitStack, moto: "WSGIApplication") -> dict[str, Any]:
        # Our own calls (Glue tables, offline objects) are no client's: no fault befalls them,
        # and they are part of the change that makes them.
        inner = Listener(host=_LOOPBACK, port=0)
        opened.callback(inner.close)
        inner.start(moto)
        return {
            name: opened.enter_context(closing(self._client(name, inner.port)))
            for name in ("athena", "glue", "s3")
        }

    def _services(
        self, opened: ExitStack, changes: Changes, clients: dict[str, Any]
    ) -> tuple[tuple[Service, ...], Callable[[], int]]:
        """Return what is answered here, and what writes the offline rows that wait."""
        clock, glue = self._clock, clients["glue"]
        registry = Registry(clock=clock, settling_s=self._settling_s)
        iceberg = IcebergTables(glue, clients["s3"], clock)
        offline = OfflineStore(registry, s3=clients["s3"], iceberg=iceberg, clock=clock)
        data = DataPlane(registry, file_offline=offline.file, clock=clock)
        copies = opened.enter_context(TemporaryDirectory(prefix="local-athena-"))
        athena = Athena(**clients, iceberg=iceberg, directory=Path(copies), clock=clock)
        opened.callback(athena.close)

        def put(group: FeatureGroup) -> None:
            with iceberg.lock:
                put_table(glue, group)

        def flush() -> int:
            with changes.change(wsgi_environ(FLUSH, b"")):
                data.expire()
                return offline.flush()

        control = ControlPlane(
            registry, put_table=put, clock=clock, account=ACCOUNT, region=self.region
        )
        return (_data_service(data), _control_service(control), _athena_service(athena)), flush

    def _client(self, service: str, port: int) -> Any:
        config = Config(
            proxies={},  # never ask a proxy for our own address
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        return _session().client(
            service,  # type: ignore[call-overload]
            region_name=self.region,
            aws_access_key_id=_CREDENTIAL,
            aws_secret_access_key=_CREDENTIAL,
            endpoint_url=f"http://{_LOOPBACK}:{port}",
            config=config,
        )


def _answer(application: Application, environ: dict[str, Any]) -> None:
    run_wsgi_app(application, environ, buffered=True)


@lru_cache(maxsize=1)
def _session() -> boto3.Session:
    # It keeps the services' models, which take longer to read than a server to start.
    return boto3.Session()


def _data_service(data: DataPlane) -> Service:
    handlers = {
        "PutRecord": data.put_record,
        "GetRecord": data.get_record,
        "DeleteRecord": data.delete_record,
        "UpdateRecord": data.update_record,
        "ListRecords": data.list_records,
        "BatchGetRecord": data.batch_get_record,
        "BatchWriteRecord": data.batch_write_record,
    }
    model = get_session().get_service_model("sagemaker-featurestore-runtime")
    return Service(wire=RestJson(model, handlers), handlers=handlers)


def _control_service(control: ControlPlane) -> Service:
    handlers = {
        "CreateFeatureGroup": control.create_feature_group,
        "DescribeFeatureGroup": control.describe_feature_group,
        "UpdateFeatureGroup": control.update_feature_group,
        "DeleteFeatureGroup": control.delete_feature_group,
        "ListFeatureGroups": control.list_feature_groups,
        "UpdateFeatureMetadata": control.update_feature_metadata,
        "DescribeFeatureMetadata": control.describe_feature_metadata,
        "AddTags": control.add_tags,
        "ListTags": control.list_tags,
        "DeleteTags": control.delete_tags,
    }
    tags = {"AddTags", "ListTags", "DeleteTags"}
    return Service(
        wire=TargetJson(get_session().get_service_model("sagemaker"), handlers),
        handlers=handlers,
        is_foreign=lambda call: call.operation in tags and is_about_other_resource(call.params),
    )


def _athena_service(athena: Athena) -> Service:
    handlers = {
        "StartQueryExecution": athena.start_query_execution,
        "GetQueryExecution": athena.get_query_execution,
        "BatchGetQueryExecution": athena.batch_get_query_execution,
        "ListQueryExecutions": athena.list_query_executions,
        "StopQueryExecution": athena.stop_query_execution,
        "GetQueryResults": athena.get_query_results,
    }
    model = get_session().get_service_model("athena")
    return Service(wire=AthenaJson(model, handlers), handlers=handlers)
