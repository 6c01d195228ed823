"""Checks of the catalog and of Athena: the tables and the workgroup of queries."""

from collections.abc import Iterator

from txfeatures.archive.catalog import DATABASE, TABLE
from txfeatures.archive.schema import SCHEMA
from txfeatures.doctor.calls import granted
from txfeatures.doctor.feature_group import FeatureGroupChecks
from txfeatures.doctor.finding import Check, Verdict, failure, ok, skipped
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings

_ABSENT = ("EntityNotFoundException",)


class CatalogChecks:
    """The checks.

    Args:
        settings: The AWS side.
        group: The feature group, which names the table of its offline store.
    """

    def __init__(self, settings: AwsSettings, group: FeatureGroupChecks) -> None:
        self._settings = settings
        self._group = group

    def checks(self) -> Iterator[Check]:
        """Yield the checks in their order."""
        for name, judge, needs in (
            ("archive's table", self._archive, ("identity",)),
            ("offline store's table", self._offline, ("feature group",)),
            ("workgroup", self._workgroup, ("identity",)),
        ):
            yield Check(subject="catalog", name=name, judge=judge, needs=needs)

    def _archive(self) -> Verdict:
        name = f"{DATABASE}.{TABLE}"
        with granted("glue:GetTable", name, expected=_ABSENT):
            found = aws.glue(self._settings).get_table(DatabaseName=DATABASE, Name=TABLE)["Table"]
            columns = {column["Name"] for column in found["StorageDescriptor"]["Columns"]}
            if missing := [column for column in SCHEMA.names if column not in columns]:
                return failure(
                    f"the table {name} lacks the columns {', '.join(missing)}; run `txfeatures "
                    "bootstrap`, which adds them"
                )
            place = found["StorageDescriptor"].get("Location", "")
            if not place.startswith(f"s3://{self._settings.bucket}/"):
                return failure(
                    f"the table {name} is about {place}, and TXF_AWS_BUCKET is "
                    f"{self._settings.bucket}; set it to that bucket, or delete the table and run "
                    "`txfeatures bootstrap`"
                )
            return ok(f"{name} has every column")
        return failure(f"there is no table {name} in Glue; run `txfeatures bootstrap`")

    def _offline(self) -> Verdict:
        catalog = self._group.found.get("OfflineStoreConfig", {}).get("DataCatalogConfig")
        if catalog is None:
            return skipped("the feature group names no table")
        database, table = catalog["Database"], catalog["TableName"]
        with granted("glue:GetTable", f"{database}.{table}", expected=_ABSENT):
            aws.glue(self._settings).get_table(DatabaseName=database, Name=table)
            return ok(f"{database}.{table}")
        return failure(
            f"the table {database}.{table} of the offline store is gone from Glue; restore it, "
            "or choose another TXF_AWS_FEATURE_GROUP and run `txfeatures bootstrap`"
        )

    def _workgroup(self) -> Verdict:
        name = self._settings.workgroup
        with granted("athena:GetWorkGroup", name, expected=("InvalidRequestException",)):
            found = aws.athena(self._settings).get_work_group(WorkGroup=name)["WorkGroup"]
            if found.get("State") == "DISABLED":
                return failure(
                    f"Athena's workgroup {name} is disabled; enable it, or set TXF_AWS_WORKGROUP"
                )
            enforced = found.get("Configuration", {}).get("EnforceWorkGroupConfiguration")
            place = "; it decides where results go" if enforced else ""
            return ok(f"{name} is enabled{place}")
        return failure(f"Athena has no workgroup {name}; set TXF_AWS_WORKGROUP")
