"""Athena's queries: SQL over the Parquet objects of Glue's tables.

A query arrives at ``service``, is parsed by ``dialect`` and run by ``engine`` in DuckDB over
views that ``tables`` makes of Glue's tables and the objects in S3; ``results`` writes its rows
as Athena does. Maintenance of Iceberg tables is run by ``maintenance``.

Not supported: DDL, CTAS, INSERT and prepared statements; formats other than Parquet. DuckDB
accepts more than Athena's Trino, so a query that runs here may use syntax that Trino lacks.
The other way round, ``dialect`` adds to DuckDB the functions of Trino that are listed there.
"""

from featurestore_local.athena.service import Athena

__all__ = ["Athena"]
