"""The local AWS: one port for S3, Glue, IAM, ... and SageMaker Feature Store.

Set ``AWS_ENDPOINT_URL`` to its URL, and plain boto3 works. What it stores is in memory
and, in moto's part, of the process: run one ``LocalAws`` per process at a time.
"""

import threading
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.session import get_session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client

from txfeatures.clock import Clock, SystemClock
from txfeatures_local.aws.app import OWN_USER_AGENT, Application, Service
from txfeatures_local.aws.catalog import put_table
from txfeatures_local.aws.control import ControlPlane, is_about_other_resource
from txfeatures_local.aws.controls import Controls
from txfeatures_local.aws.data import DataPlane
from txfeatures_local.aws.faults import FaultPlan
from txfeatures_local.aws.listener import Listener
from txfeatures_local.aws.offline import OfflineStore
from txfeatures_local.aws.registry import Registry
from txfeatures_local.aws.wire import RestJson, TargetJson

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
            s3, glue = (opened.enter_context(closing(self._client(n))) for n in ("s3", "glue"))
            offline = OfflineStore(
                registry, s3=s3, clock=self._clock, delay_s=self._offline_delay_s
            )
            stop = threading.Event()
            listener.start(self._application(registry, offline, glue, stop))
            flusher = threading.Thread(target=offline.run, args=(stop,), daemon=True)
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

    def _application(
        self, registry: Registry, offline: OfflineStore, glue: Any, stop: threading.Event
    ) -> Application:
        control = ControlPlane(
            registry,
            put_table=lambda group: put_table(glue, group),
            clock=self._clock,
            account=ACCOUNT,
            region=self.region,
        )
        plan = FaultPlan()
        moto = DomainDispatcherApplication(create_backend_app)
        Client(moto).post("/moto-api/reset")
        return Application(
            services=(
                _data_service(DataPlane(registry, file_offline=offline.file, clock=self._clock)),
                _control_service(control),
            ),
            local=Controls(plan, offline.flush),
            moto=moto,
            plan=plan,
            region=self.region,
            clock=self._clock,
            stop=stop,
        )

    def _client(self, service: str) -> Any:
        session = boto3.Session(
            aws_access_key_id=_CREDENTIAL,
            aws_secret_access_key=_CREDENTIAL,
            region_name=self.region,
        )
        config = Config(
            user_agent_extra=OWN_USER_AGENT,
            proxies={},  # never ask a proxy for our own address
            retries={"mode": "standard", "total_max_attempts": 2},
        )
        return session.client(service, endpoint_url=self.endpoint_url, config=config)  # type: ignore[call-overload]


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
