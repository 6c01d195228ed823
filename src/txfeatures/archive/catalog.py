"""The archive as a table of the Glue catalog, for Athena.

The partitions of the table are the folders of the manifests, which Athena reads as lists of
objects (``SymlinkTextInputFormat``), so it reads live objects only. Partitions are projected,
that is computed from the query: no crawler is needed and no hour has to be registered.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

import pyarrow as pa

from txfeatures.archive.layout import MANIFESTS
from txfeatures.archive.schema import SCHEMA

if TYPE_CHECKING:
    from types_boto3_glue import GlueClient
    from types_boto3_glue.type_defs import TableInputTypeDef

DATABASE = "txfeatures"
TABLE = "transactions"

FIRST_DATE = "2009-01-03"
"""Date of the first Bitcoin block: no feed is older, so the table covers every row."""

_TYPES = {
    pa.string(): "string",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.bool_(): "boolean",
    pa.binary(): "binary",
    pa.float64(): "double",
}


def ensure_archive_table(glue: "GlueClient", bucket: str, *, database: str = DATABASE) -> str:
    """Create the database and the table if they are missing, and add new columns.

    Returns:
        The outcome, in a word or two.
    """
    with suppress(glue.exceptions.AlreadyExistsException):
        glue.create_database(DatabaseInput={"Name": database})
    wanted = table(bucket)
    try:
        glue.create_table(DatabaseName=database, TableInput=wanted)
    except glue.exceptions.AlreadyExistsException:
        found = glue.get_table(DatabaseName=database, Name=TABLE)["Table"]
        there = {column["Name"] for column in found["StorageDescriptor"]["Columns"]}
        if there >= set(SCHEMA.names):
            return "exists already"
        glue.update_table(DatabaseName=database, TableInput=wanted)
        return "columns added"
    return "created"


def table(bucket: str) -> "TableInputTypeDef":
    """Return the table's definition."""
    return {
        "Name": TABLE,
        "Description": "Every transaction as received from the source; filter each query by date",
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [
            {"Name": "date", "Type": "string", "Comment": "day of the feed time, UTC"},
            {"Name": "hour", "Type": "string", "Comment": "hour of the feed time, 00 to 23, UTC"},
        ],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "parquet",
            "projection.enabled": "true",
            "projection.date.type": "date",
            "projection.date.format": "yyyy-MM-dd",
            "projection.date.range": f"{FIRST_DATE},NOW+1DAYS",
            "projection.hour.type": "integer",
            "projection.hour.range": "0,23",
            "projection.hour.digits": "2",
            "storage.location.template": (
                f"s3://{bucket}/{MANIFESTS}date=${{date}}/hour=${{hour}}/"
            ),
        },
        "StorageDescriptor": {
            "Columns": [{"Name": field.name, "Type": _TYPES[field.type]} for field in SCHEMA],
            "Location": f"s3://{bucket}/{MANIFESTS}",
            "InputFormat": "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": (
                    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                )
            },
        },
    }
