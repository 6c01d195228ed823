"""The operations of ``athena`` that run queries; moto handles the others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from featurestore_local.athena.dialect import check_query
from featurestore_local.athena.engine import Query
from featurestore_local.athena.errors import QueryError, invalid_request
from featurestore_local.athena.executions import Execution, Executions, Outcome, read_order
from featurestore_local.athena.maintenance import Maintenance, is_maintenance
from featurestore_local.athena.objects import Objects
from featurestore_local.athena.results import rows_of
from featurestore_local.athena.tables import Tables
from featurestore_local.clock import Clock

if TYPE_CHECKING:
    from types_boto3_athena import AthenaClient
    from types_boto3_glue import GlueClient
    from types_boto3_s3 import S3Client

    from featurestore_local.iceberg import IcebergTables

_PAGE = 1000
_LIST_PAGE = 50


class Athena:
    """Runs queries in the background.

    Every operation takes validated parameters and returns the members of its answer.

    Args:
        athena: Client of moto's workgroups.
        glue: The catalog.
        s3: Stores data and results.
        iceberg: Returns the Iceberg tables.
        directory: Holds copies of objects; the caller removes it.
        clock: Dates the starts and ends of queries.
    """

    def __init__(
        self,
        *,
        athena: "AthenaClient",
        glue: "GlueClient",
        s3: "S3Client",
        iceberg: "Callable[[], IcebergTables]",
        directory: Path,
        clock: Clock,
    ) -> None:
        self._athena = athena
        self._s3 = s3
        self._objects = Objects(s3, directory)
        self._tables = Tables(glue, self._objects, iceberg, clock)
        self._maintenance = Maintenance(self._objects, iceberg, self._tables)
        self._executions = Executions(self._run, clock)

    def close(self) -> None:
        """End all queries."""
        self._executions.close()

    def start_query_execution(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Queue a query; refuse one that can't be parsed or whose result can't be stored."""
        context = params.get("QueryExecutionContext", {})
        if context.get("Catalog", "AwsDataCatalog").lower() != "awsdatacatalog":
            raise invalid_request(f"Catalog {context['Catalog']} was not found")
        kind = "DDL" if is_maintenance(params["QueryString"]) else "DML"
        if kind == "DML":
            check_query(params["QueryString"])
        output = self._output(params)
        order = read_order(params, kind=kind, output=output)
        return {
            "QueryExecutionId": self._executions.submit(order, params.get("ClientRequestToken"))
        }

    def get_query_execution(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Describe a query."""
        return {"QueryExecution": self._executions.get(params["QueryExecutionId"]).described()}

    def batch_get_query_execution(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Describe several queries."""
        known = {execution.query_id: execution for execution in self._executions.newest()}
        ids = params["QueryExecutionIds"]
        return {
            "QueryExecutions": [known[each].described() for each in ids if each in known],
            "UnprocessedQueryExecutionIds": [
                {"QueryExecutionId": each, "ErrorCode": "INVALID_INPUT"}
                for each in ids
                if each not in known
            ],
        }

    def list_query_executions(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of the queries of a workgroup, newest first."""
        group = params.get("WorkGroup", "primary")
        ids = [e.query_id for e in self._executions.newest() if e.order.workgroup == group]
        start, size = _offset(params), params.get("MaxResults") or _LIST_PAGE
        more = {"NextToken": str(start + size)} if len(ids) > start + size else {}
        return {"QueryExecutionIds": ids[start : start + size]} | more

    def stop_query_execution(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Cancel a query that hasn't ended."""
        self._executions.cancel(params["QueryExecutionId"])
        return {}

    def get_query_results(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of rows; the first row of a query's first page is its header."""
        execution = self._executions.get(params["QueryExecutionId"])
        if execution.state in {"QUEUED", "RUNNING"}:
            raise invalid_request(f"Query has not yet finished. Current state: {execution.state}")
        if execution.state != "SUCCEEDED":
            raise invalid_request(
                f"Query did not finish successfully. Final query state: {execution.state}"
            )
        rows = self._rows(execution)
        start, size = _offset(params), params.get("MaxResults", _PAGE)
        more = {"NextToken": str(start + size)} if len(rows) > start + size else {}
        columns = [each.described() for each in execution.outcome.columns]
        return {
            "UpdateCount": 0,
            "ResultSet": {
                "Rows": [{"Data": [_datum(v) for v in row]} for row in rows[start : start + size]],
                "ResultSetMetadata": {"ColumnInfo": columns},
            },
        } | more

    def _run(self, execution: Execution) -> Outcome:
        order = execution.order
        if order.kind == "DDL":
            self._maintenance.run(order.sql, database=order.database)
            self._objects.write(execution.output_uri, b"")
            return Outcome()
        query = Query(self._tables, directory=str(self._objects.directory), database=order.database)
        execution.stop = query.stop
        if execution.state == "CANCELLED":  # before there was anything to stop
            query.stop()
        result = query.run(order.sql, order.parameters)
        self._objects.write(execution.output_uri, result.body)
        return Outcome(columns=result.columns, scanned_bytes=result.scanned_bytes)

    def _rows(self, execution: Execution) -> list[list[str | None]]:
        if execution.order.kind == "DDL":
            return []
        try:
            return rows_of(self._objects.read(execution.output_uri))
        except QueryError as error:
            raise invalid_request(f"Could not find results at {execution.output_uri}") from error

    def _output(self, params: Mapping[str, Any]) -> str:
        group = params.get("WorkGroup", "primary")
        asked = params.get("ResultConfiguration", {}).get("OutputLocation")
        found = self._athena.get_work_group(WorkGroup=group).get("WorkGroup")
        if found is None:  # moto's answer for an unknown workgroup
            raise invalid_request(f"WorkGroup {group} is not found.")
        settings = found.get("Configuration", {})
        own = settings.get("ResultConfiguration", {}).get("OutputLocation")
        # A workgroup enforces its configuration by default.
        enforced = settings.get("EnforceWorkGroupConfiguration", True) and own
        output = str(own if enforced else asked or own or "")
        if not output:
            raise invalid_request(
                "No output location provided. An output location is required either through the "
                "Workgroup result configuration setting or as an API input."
            )
        bucket = output.removeprefix("s3://").partition("/")[0]
        if not output.startswith("s3://") or not bucket:
            raise invalid_request(f"outputLocation is not a valid S3 path: {output}")
        try:
            self._s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            raise invalid_request(f"Unable to verify/create output bucket {bucket}") from error
        return output


def _offset(params: Mapping[str, Any]) -> int:
    token = params.get("NextToken", "0")
    if not token.isdecimal():
        raise invalid_request("NextToken was not issued by this service.")
    return int(token)


def _datum(value: str | None) -> dict[str, str]:
    return {} if value is None else {"VarCharValue": value}
