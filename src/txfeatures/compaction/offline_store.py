"""Compaction of the offline store by Athena, if its table format allows it.

Only the files of an Iceberg table can be rewritten while it is read. Objects of a table in Glue
format must stay: Feature Store has no lock for them, and readers list its folders.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from txfeatures.archive.layout import RESULTS_PREFIX
from txfeatures.domain.errors import FatalError
from txfeatures.feature_store.errors import translated
from txfeatures.feature_store.group import describe
from txfeatures.feature_store.retries import Retries
from txfeatures.process import aws
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_athena import AthenaClient
    from types_boto3_athena.type_defs import ResultConfigurationTypeDef
    from types_boto3_sagemaker import SageMakerClient

POLL_S = 1.0
MOST_RUNS = 1000
"""A run of a statement does a bounded piece of work; a table that needs more runs is faulty."""

STATEMENTS = (
    ('OPTIMIZE "{table}" REWRITE DATA USING BIN_PACK', "ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED"),
    ('VACUUM "{table}"', "ICEBERG_VACUUM_MORE_RUNS_NEEDED"),
)
"""Each statement, with the error by which Athena demands another run."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The table of the offline store in the Glue catalog."""

    database: str
    name: str


def compact_offline_store(
    settings: AwsSettings, *, runtime: Runtime, say: Say, is_dry_run: bool = False
) -> None:
    """Have Athena rewrite small files and drop old snapshots until nothing is left to do.

    Athena commits whole pieces of work, so a run can be killed; the next one continues.

    Raises:
        FatalError: Athena refused, or the feature group is missing.
        TransientError: AWS does not answer.
    """
    retries = Retries(clock=runtime.clock, stop=runtime.stop)
    with translated("AWS"):
        table = _table(retries.attach(aws.sagemaker(settings)), settings.feature_group)
        if table is None:
            say("offline store: its format is not Iceberg, so it can't be compacted")
            return
        client = retries.attach(aws.athena(settings))
        for statement, more in STATEMENTS:
            sql = statement.format(table=table.name)
            if is_dry_run:
                say(f"offline store: would run {sql} in {table.database} until it is done")
                continue
            runs = _until_done(client, sql, more, table, settings, runtime)
            say(f"offline store: {sql}: done with run {runs}")


def _results(settings: AwsSettings) -> "ResultConfigurationTypeDef":
    found: ResultConfigurationTypeDef = {
        "OutputLocation": f"s3://{settings.bucket}/{RESULTS_PREFIX}"
    }
    if settings.kms_key_arn is not None:
        found["EncryptionConfiguration"] = {
            "EncryptionOption": "SSE_KMS",
            "KmsKey": settings.kms_key_arn,
        }
    return found


def _table(sagemaker: "SageMakerClient", group: str) -> Table | None:
    config = describe(sagemaker, group).get("OfflineStoreConfig")
    if config is None or config.get("TableFormat") != "Iceberg":
        return None
    catalog = config["DataCatalogConfig"]  # AWS chooses the form of the name
    return Table(database=catalog["Database"], name=catalog["TableName"])


def _until_done(
    client: "AthenaClient",
    sql: str,
    more: str,
    table: Table,
    settings: AwsSettings,
    runtime: Runtime,
) -> int:
    for run in range(1, MOST_RUNS + 1):
        reason = _run(client, sql, table, settings, runtime)
        if reason is None:
            return run
        if more not in reason:
            raise FatalError(f"Athena failed {sql}: {reason}")
    raise FatalError(f"Athena wants more than {MOST_RUNS} runs of {sql}; look at the table")


def _run(
    client: "AthenaClient", sql: str, table: Table, settings: AwsSettings, runtime: Runtime
) -> str | None:
    """Run a statement to its end; return the reason of its failure, None if it succeeded."""
    started = client.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": table.database},
        WorkGroup=settings.workgroup,
        ResultConfiguration=_results(settings),
    )
    identifier = started["QueryExecutionId"]
    while True:
        status = client.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return None
        if status["State"] in {"FAILED", "CANCELLED"}:
            return status.get("StateChangeReason", status["State"])
        if runtime.clock.wait(runtime.stop, POLL_S):
            client.stop_query_execution(QueryExecutionId=identifier)
            raise FatalError(f"stopped during {sql}; run it again to go on")
