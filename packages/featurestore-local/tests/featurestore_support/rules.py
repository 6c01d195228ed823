"""The rules of SageMaker Feature Store that the project relies on, each with its tests.

``python tests/featurestore_support/rules.py`` writes CONTRACT.md; a test compares.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

RULES = {
    # names, schemas, feature groups
    "G1": "CreateFeatureGroup returns only the ARN; the group is Creating, then Created. "
    "DescribeFeatureGroup always carries NextToken.",
    "G2": "A group is described as it was requested; its objects go below ResolvedOutputS3Uri, "
    "which holds account, region, name and second of creation, and ends in /data.",
    "G3": "Names of groups and features have 1 to 64 letters, digits, - and _, and begin and end "
    "with a letter or digit.",
    "G4": "is_deleted, write_time and api_invocation_time are reserved.",
    "G5": "A group has 1 to 2500 features with distinct names.",
    "G6": "Types are Integral, Fractional and String; record identifier and event time are among "
    "the features; event time is Fractional or String.",
    "G7": "Collections need an InMemory store; a Vector is Fractional and has a dimension; a group "
    "has at most one.",
    "G8": "A group has an online store, an offline store or both.",
    "G9": "A store of type Standard can become Standard_V2, never the reverse.",
    "G10": "An offline store needs a role and an S3 URI; an Iceberg table needs its Glue table and "
    "an event time of type String.",
    "G11": "The caller can choose the names of database and table.",
    "G12": "Throughput is OnDemand or Provisioned (not for Standard_V2 and InMemory), and can be "
    "switched to OnDemand once in 24 hours.",
    "G13": "A description has at most 128 characters, a group at most 50 tags; a role ARN has a "
    "fixed form.",
    "G14": "An update changes exactly one setting, takes a while (InProgress, then Successful), "
    "and only ever adds features, at most 100 at a time.",
    "G15": "The objects and the table of a deleted group stay.",
    "G16": "Groups are listed page by page, filtered by name and status.",
    "G17": "Tags are set, listed and removed.",
    "G18": "Each feature takes a description and up to 25 parameters, and nothing else.",
    "G19": "A group with an InMemory store has no offline store.",
    "G20": "Breaches of patterns, maxima and enums are not detected by botocore and are refused by "
    "the service.",
    # errors
    "E1": "An unknown group is a ValidationError (400) to PutRecord and DeleteRecord, a "
    "ResourceNotFound (404) to GetRecord, UpdateRecord, ListRecords and BatchWriteRecord, and an "
    "entry of Errors to BatchGetRecord.",
    "E2": "The control plane returns ResourceInUse for a name that is taken and ResourceNotFound "
    "for one that isn't, both with status 400.",
    "E3": "A fifth concurrent creation is refused with ResourceLimitExceeded.",
    "E4": "A value that isn't of its feature's type is a ValidationError (400).",
    "E5": "Throttling is a ThrottlingException (400), which botocore retries.",
    "E6": "A store that the group lacks is a ValidationError.",
    # records
    "S1": "A greater event time replaces the whole record; features left out become absent.",
    "S2": "An equal or older event time leaves the online record unchanged, without an error, and "
    "is stored offline.",
    "S3": "Record identifier and event time are required.",
    "S4": "An unknown identifier gives an answer without Record, not an error.",
    "S5": "Values come back as the strings put, in definition order; FeatureNames selects some.",
    "S6": "A group's ARN serves as well as its name.",
    "S7": "TargetStores selects the stores of a record; by default it goes to all.",
    "S8": "Integral is a signed 64-bit integer, Fractional a finite double, String any text, even "
    "an empty one.",
    "S9": "Fractional event times are epoch seconds, String ones ISO-8601 in UTC with a literal Z, "
    "to the second, the millisecond or the nanosecond.",
    "S10": "A soft delete hides the record; a put that is not newer doesn't bring it back.",
    "S11": "A soft delete that isn't later leaves the record unchanged; its tombstone still goes "
    "offline.",
    "S12": "A hard delete removes the record; one that isn't later is refused, without a "
    "tombstone.",
    "S13": "A tombstone holds identifier, the call's event time and is_deleted; the rest is null.",
    "S14": "A record expires at its event time plus its time to live, and is then not returned.",
    "S15": "ExpiresAt is returned on request only.",
    "S16": "A record's own time to live takes precedence over the batch's, and that over the "
    "group's; a change of the group's applies to later records.",
    "S17": "An expired record leaves a tombstone offline.",
    "S18": "UpdateRecord changes the features given and keeps the others; an equal event time is "
    "accepted, an omitted one keeps the old one, an older one is a ConflictException (409).",
    "S19": "UpdateRecord refuses a missing or deleted record, a TtlDuration without an event time, "
    "more than 100 features, and the offline store alone.",
    "S20": "UpdateRecord needs a Standard_V2 or an InMemory store.",
    "S21": "ListRecords returns identifiers only, page by page, soft-deleted ones on request.",
    "S22": "BatchGetRecord returns existing records, leaves out missing ones, and reports those "
    "that can't be read.",
    "S23": "BatchWriteRecord writes the valid entries, of several groups, and returns the invalid "
    "ones in Errors and those to be retried in UnprocessedEntries.",
    "S24": "Collections travel as ValueAsStringList; a Vector has as many values as its dimension.",
    # offline store
    "O1": "Every put becomes a row, even repeated and historic ones.",
    "O2": "Objects of Glue tables are in folders year=, month=, day= and hour= of the event time, "
    "UTC; a name is the newest event time, _ and 16 letters or digits.",
    "O3": "Columns are the features in definition order, then write_time, api_invocation_time "
    "(whole seconds) and is_deleted; Integral is long, Fractional double, String string.",
    "O4": "Objects of Iceberg tables are in a folder of 8 letters or digits, then one of the day "
    "of the event time; metadata is stored beside data.",
    "O5": "The catalog holds the table under the name that DescribeFeatureGroup returns.",
    "O6": "A Glue table has no partition columns, so queries read all of it.",
    "O7": "Latest row per record: rank by event time, invocation and write time, and drop "
    "tombstones after ranking.",
    "O8": "OPTIMIZE and VACUUM merge the objects of an Iceberg table into few, and change no row.",
    "O9": "Features that were added are null in older rows.",
    "O10": "Parquet objects that another writer puts below a Glue table's folder are rows too.",
    "O11": "An Iceberg table is read by Iceberg's own readers, through Glue's catalog.",
    # quotas
    "Q1": "A record has at most 350 KB, its identifier 2 KB.",
    "Q2": "BatchGetRecord reads at most 100 records per call, BatchWriteRecord writes 25.",
    # Athena
    "A1": "A query is queued, runs and succeeds; its rows are a CSV object at OutputLocation.",
    "A2": "Results come in pages of at most 1000 rows; the first row of the first is the header.",
    "A3": "A query that can't be run ends as FAILED with a reason; one that can't be parsed is "
    "refused at once.",
    "A4": "A query that is stopped is CANCELLED; a token starts a query once.",
    "A5": "Projected partitions need neither a crawler nor registration.",
}

_FOLDER = Path(__file__).parents[1] / "contract"
PAGE = _FOLDER.parent.parent / "CONTRACT.md"
_HEAD = """# What we rely on in SageMaker Feature Store

<!-- Written by `python tests/featurestore_support/rules.py`; do not edit. -->

Every rule, with its tests. They use boto3 alone, so they can also be run against a real account,
in the region and with the credentials of boto3's own chain:

```
CONTRACT_REAL_AWS=1 CONTRACT_BUCKET=... CONTRACT_ROLE_ARN=... pytest tests/contract
```

That takes about an hour, because rows reach the offline store late, and leaves objects and tables
behind. A rule that AWS's documentation leaves open is also listed among the
[doubts](../../docs/reference/aws-doubts.md).

| rule | | tests |
| --- | --- | --- |
"""


def rules_tested() -> dict[str, list[str]]:
    """Return the tests of each rule, as ``file::test``."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(_FOLDER.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in tree.body:
            if isinstance(function, ast.FunctionDef):
                for rule in _rules_of(function):
                    found[rule].append(f"{path.name}::{function.name}")
    return dict(found)


def page() -> str:
    """Return the text of the page."""
    tests = rules_tested()
    lines = []
    for rule, text in RULES.items():
        names = "<br>".join(
            f"[{name.partition('::')[2]}](tests/contract/{name.partition('::')[0]})"
            for name in tests.get(rule, [])
        )
        lines.append(f"| {rule} | {text} | {names} |")
    return _HEAD + "\n".join(lines) + "\n"


def _rules_of(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.rule":
            yield from (ast.literal_eval(argument) for argument in decorator.args)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
