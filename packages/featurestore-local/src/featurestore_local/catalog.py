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
    """Make the table of a group, or bring its columns up to date.

    A group without offline store, or whose table is not wanted, gets none.

    Raises:
        ClientError: Glue refused.
    """
    if group.offline is None or group.offline.catalog is None:
        return
    _, database, name = group.offline.catalog
    with suppress(glue.exceptions.AlreadyExistsException):
        glue.create_database(DatabaseInput={"Name": database})
    table = _table(group, name, group.offline.resolved_s3_uri, group.offline.table_format)
    try:
        glue.create_table(DatabaseName=database, TableInput=table)
    except glue.exceptions.AlreadyExistsException:
        # Parameters set on the table since, by us or by its owner, stay.
        held = glue.get_table(DatabaseName=database, Name=name)["Table"].get("Parameters", {})
        table["Parameters"] = {**held, **table["Parameters"]}
        glue.update_table(DatabaseName=database, TableInput=table)


def _table(group: FeatureGroup, name: str, location: str, table_format: str) -> "TableInputTypeDef":
    # No partition columns: AWS's own table of this kind has none either, so queries that
    # work here don't come to rely on pruning that AWS wouldn't do.
    columns: list[ColumnTypeDef] = [
        {"Name": feature, "Type": _GLUE_TYPES[kind]} for feature, kind in group.features.items()
    ]
    columns += [
        {"Name": "write_time", "Type": "timestamp"},
        {"Name": "api_invocation_time", "Type": "timestamp"},
        {"Name": "is_deleted", "Type": "boolean"},
    ]
    kind = {"table_type": "ICEBERG"} if table_format == "Iceberg" else {"classification": "parquet"}
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **kind},
        "StorageDescriptor": {
            "Columns": columns,
            "Location": location,
            "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
        },
    }
