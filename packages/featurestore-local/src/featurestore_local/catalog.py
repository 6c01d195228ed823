"""The Glue table over a feature group's offline store."""

from contextlib import suppress
from typing import TYPE_CHECKING

from featurestore_local.model import FeatureGroup
from featurestore_local.values import FeatureType

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient
    from types_boto3_glue.type_defs import ColumnTypeDef, TableInputTypeDef

_GLUE_TYPES = {
    FeatureType.INTEGRAL: "bigint",
    FeatureType.FRACTIONAL: "double",
    FeatureType.STRING: "string",
}
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


def put_table(glue: "GlueClient", group: FeatureGroup) -> None:
    """Create the table of a group, or update its columns.

    Do nothing for a group without an offline store, or with creation of the table disabled.

    Raises:
        ClientError: Glue refused.
    """
    if group.offline is None or group.offline.catalog is None:
        return
    _, database, name = group.offline.catalog
    with suppress(glue.exceptions.AlreadyExistsException):
        glue.create_database(DatabaseInput={"Name": database})
    table = _table(group, name, group.offline.resolved_s3_uri)
    try:
        glue.create_table(DatabaseName=database, TableInput=table)
    except glue.exceptions.AlreadyExistsException:
        # Parameters that others have set on the table since its creation stay.
        held = glue.get_table(DatabaseName=database, Name=name)["Table"].get("Parameters", {})
        table["Parameters"] = {**held, **table["Parameters"]}
        glue.update_table(DatabaseName=database, TableInput=table)


def _table(group: FeatureGroup, name: str, location: str) -> "TableInputTypeDef":
    # AWS's own table has no partition columns either, so queries that work here can't rely
    # on pruning that AWS doesn't do.
    columns: list[ColumnTypeDef] = [
        {"Name": feature, "Type": _GLUE_TYPES[kind]} for feature, kind in group.features.items()
    ]
    columns += [
        {"Name": "write_time", "Type": "timestamp"},
        {"Name": "api_invocation_time", "Type": "timestamp"},
        {"Name": "is_deleted", "Type": "boolean"},
    ]
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "StorageDescriptor": {
            "Columns": columns,
            "Location": location,
            "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
        },
    }
