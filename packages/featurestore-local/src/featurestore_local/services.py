"""Composition of the services that this package implements.

Without the extra ``offline``, feature groups have an online store only and Athena refuses
every call: pyarrow, pyiceberg and duckdb account for most of an installation's size and time.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.session import get_session

from featurestore_local.app import Handler, Service
from featurestore_local.catalog import put_table
from featurestore_local.changes import ChangeClock, Changes
from featurestore_local.control import ControlPlane, is_about_other_resource
from featurestore_local.controls import FLUSH
from featurestore_local.data import DataPlane
from featurestore_local.errors import AwsError, invalid_settings
from featurestore_local.listener import wsgi_environ
from featurestore_local.model import FeatureGroup
from featurestore_local.offline import OfflineStore
from featurestore_local.registry import Registry
from featurestore_local.wire import AthenaJson, RestJson, TargetJson

if TYPE_CHECKING:
    from featurestore_local.iceberg import IcebergTables

ACCOUNT = "123456789012"
"""The account that moto assigns to every client."""

_ATHENA_OPERATIONS = {
    "StartQueryExecution": "start_query_execution",
    "GetQueryExecution": "get_query_execution",
    "BatchGetQueryExecution": "batch_get_query_execution",
    "ListQueryExecutions": "list_query_executions",
    "StopQueryExecution": "stop_query_execution",
    "GetQueryResults": "get_query_results",
}
_OFFLINE_IS_MISSING = (
    "{} needs pyarrow, pyiceberg and duckdb, which are not installed; "
    'install them with: pip install "featurestore-local[offline]"'
)


def has_offline_extra() -> bool:
    """Return whether the packages of the extra ``offline`` are installed."""
    return all(find_spec(name) is not None for name in ("duckdb", "pyarrow", "pyiceberg"))


def build_services(
    opened: ExitStack,
    changes: Changes,
    clients: Mapping[str, Any],
    *,
    clock: ChangeClock,
    settling_s: float,
    region: str,
    with_offline: bool,
) -> tuple[tuple[Service, ...], Callable[[], int]]:
    """Return the services, and the function that writes the buffered offline rows.

    Args:
        opened: Closes the resources that are opened here.
        changes: Orders the writing of offline rows among the other changes.
        clients: boto3 clients of moto's ``athena``, ``glue`` and ``s3``.
        clock: Time of every change.
        settling_s: Duration of the changes of feature groups.
        region: Region of the feature groups.
        with_offline: Whether feature groups can have an offline store.
    """
    glue = clients["glue"]
    registry = Registry(clock=clock, settling_s=settling_s)
    iceberg = _iceberg(clients, clock)
    offline = OfflineStore(registry, s3=clients["s3"], iceberg=iceberg, clock=clock)
    data = DataPlane(registry, file_offline=offline.file, clock=clock)

    def put(group: FeatureGroup) -> None:
        if group.offline is not None and group.offline.table_format == "Iceberg":
            iceberg().put(group)
        else:
            put_table(glue, group)

    def flush() -> int:
        with changes.change(wsgi_environ(FLUSH, b"")):
            data.expire()
            return offline.flush()

    control = ControlPlane(registry, put_table=put, clock=clock, account=ACCOUNT, region=region)
    services = (
        _data_service(data),
        _control_service(control, with_offline=with_offline),
        _athena_service(
            _athena_handlers(opened, clients, iceberg, clock)
            if with_offline
            else dict.fromkeys(_ATHENA_OPERATIONS, _refuse_query)
        ),
    )
    return services, flush


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


def _control_service(control: ControlPlane, *, with_offline: bool) -> Service:
    create = control.create_feature_group
    handlers: dict[str, Handler] = {
        "CreateFeatureGroup": create if with_offline else _online_only(create),
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


def _athena_service(handlers: Mapping[str, Handler]) -> Service:
    model = get_session().get_service_model("athena")
    return Service(wire=AthenaJson(model, handlers), handlers=handlers)


def _athena_handlers(
    opened: ExitStack,
    clients: Mapping[str, Any],
    iceberg: "Callable[[], IcebergTables]",
    clock: ChangeClock,
) -> dict[str, Handler]:
    # pyarrow and duckdb, which it imports, are optional dependencies.
    from featurestore_local.athena import Athena

    copies = opened.enter_context(TemporaryDirectory(prefix="local-athena-"))
    athena = Athena(**clients, iceberg=iceberg, directory=Path(copies), clock=clock)
    opened.callback(athena.close)
    return {name: getattr(athena, method) for name, method in _ATHENA_OPERATIONS.items()}


def _iceberg(clients: Mapping[str, Any], clock: ChangeClock) -> "Callable[[], IcebergTables]":
    lock = Lock()

    @cache
    def made() -> "IcebergTables":
        # pyiceberg takes seconds to import, and is an optional dependency.
        from featurestore_local.iceberg import IcebergTables

        return IcebergTables(clients["glue"], clients["s3"], clock)

    def tables() -> "IcebergTables":
        with lock:  # the cache alone doesn't prevent a second call
            return made()

    return tables


def _online_only(create: Handler) -> Handler:
    def create_online(params: dict[str, Any]) -> dict[str, Any] | None:
        if "OfflineStoreConfig" in params:
            raise invalid_settings(_OFFLINE_IS_MISSING.format("An offline store"))
        return create(params)

    return create_online


def _refuse_query(_: dict[str, Any]) -> NoReturn:
    raise AwsError("InvalidRequestException", _OFFLINE_IS_MISSING.format("Athena"))
