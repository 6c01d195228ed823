"""The local AWS: one port for S3, Glue, IAM, ... and SageMaker Feature Store.

Set ``AWS_ENDPOINT_URL`` to its URL, and plain boto3 works. What it stores is in memory
and, in moto's part, of the process: run one ``LocalAws`` per process at a time.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.session import get_session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client

from txfeatures.clock import Clock, SystemClock
from txfeatures_local.aws.app import OWN_USER_AGENT, Application, Service
from txfeatures_local.aws.athena import Athena
from txfeatures_local.aws.catalog import put_table
from txfeatures_local.aws.control import ControlPlane, is_about_other_resource
from txfeatures_local.aws.controls import Controls
from txfeatures_local.aws.data import DataPlane
from txfeatures_local.aws.faults import FaultPlan
from txfeatures_local.aws.iceberg import IcebergTables
from txfeatures_local.aws.listener import Listener
from txfeatures_local.aws.model import FeatureGroup
from txfeatures_local.aws.offline import OfflineStore, flush_regularly
from txfeatures_local.aws.registry import Registry
from txfeatures_local.aws.wire import AthenaJson, RestJson, TargetJson

ACCOUNT = "123456789012"
"""The account that moto gives everybody."""

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
    ) -> None:
        self.region = region
        self._host = host
        self._port = port
        self._offline_delay_s = offline_delay_s
        self._settling_s = settling_s
        self._clock = clock or SystemClock()
        self._resources = ExitStack()

    @property
    def endpoint_url(self) -> str:
        """Return the URL for ``AWS_ENDPOINT_URL``; with port 0, it is known once started."""
        return f"http://{self._host}:{self._port}"

    def start(self) -> None:
        """Start to answer, with nothing stored.

        Raises:
            FatalError: The port is taken.
        """
        with ExitStack() as opened:
            listener = Listener(host=self._host, port=self._port)
            opened.callback(listener.close)
            self._port = listener.port
            registry = Registry(clock=self._clock, settling_s=self._settling_s)
            clients = {
                name: opened.enter_context(closing(self._client(name)))
                for name in ("athena", "glue", "s3")
            }
            iceberg = IcebergTables(clients["glue"], clients["s3"], self._clock)
            offline = OfflineStore(registry, s3=clients["s3"], iceberg=iceberg, clock=self._clock)
            data = DataPlane(registry, file_offline=offline.file, clock=self._clock)
            copies = opened.enter_context(TemporaryDirectory(prefix="local-athena-"))
            athena = Athena(**clients, iceberg=iceberg, directory=Path(copies), clock=self._clock)
            opened.callback(athena.close)
            services = (
                _data_service(data),
                _control_service(self._control(registry, iceberg, clients["glue"])),
                _athena_service(athena),
            )

            def flush() -> int:
                data.expire()
                return offline.flush()

            stop = threading.Event()
            listener.start(self._application(services, flush, stop))
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
        """Write the offline rows that wait, then stop answering."""
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

    def _control(self, registry: Registry, iceberg: IcebergTables, glue: Any) -> ControlPlane:
        def put(group: FeatureGroup) -> None:
            with iceberg.lock:
                put_table(glue, group)

        return ControlPlane(
            registry, put_table=put, clock=self._clock, account=ACCOUNT, region=self.region
        )

    def _application(
        self, services: tuple[Service, ...], flush: Callable[[], int], stop: threading.Event
    ) -> Application:
        plan = FaultPlan()
        moto = DomainDispatcherApplication(create_backend_app)
        Client(moto).post("/moto-api/reset")
        return Application(
            services=services,
            local=Controls(plan, flush),
            moto=moto,
            plan=plan,
            region=self.region,
            clock=self._clock,
            stop=stop,
        )

    def _client(self, service: str) -> Any:
        config = Config(
            user_agent_extra=OWN_USER_AGENT,
            proxies={},  # never ask a proxy for our own address
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        return _session().client(
            service,  # type: ignore[call-overload]
            region_name=self.region,
            aws_access_key_id=_CREDENTIAL,
            aws_secret_access_key=_CREDENTIAL,
            endpoint_url=self.endpoint_url,
            config=config,
        )


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
