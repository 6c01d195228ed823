"""Athena, as far as analysts' queries need it: SQL over the Parquet objects of Glue's tables.

A query comes in at ``service``, is parsed by ``dialect`` and run by ``engine`` in DuckDB over
views that ``tables`` makes of Glue's tables and the objects in S3; ``results`` writes its rows
as Athena does. Statements that tend Iceberg tables are done by ``maintenance``.

Not done here: DDL, CTAS, INSERT and prepared statements; formats other than Parquet. DuckDB
understands more than Athena's Trino, so a query that runs here may use words that Trino
lacks; the other way round, ``dialect`` teaches DuckDB the functions of Trino that are listed
there.
"""

from featurestore_local.athena.service import Athena

__all__ = ["Athena"]
