"""The rules of SageMaker Feature Store that the project relies on, each with its tests.

``python tests/featurestore_support/rules.py`` writes CONTRACT.md; a test compares.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

RULES = {
    # names, schemas, feature groups
    "G1": "CreateFeatureGroup answers with the ARN alone; the group is Creating, then Created. "
    "DescribeFeatureGroup always carries NextToken.",
    "G2": "A group is described as it was asked for; its objects go below ResolvedOutputS3Uri, "
    "which holds account, region, name and second of creation, and ends in /data.",
    "G3": "Names of groups and features have 1 to 64 letters, digits, - and _, and begin and end "
    "with a letter or digit.",
    "G4": "is_deleted, write_time and api_invocation_time are reserved.",
    "G5": "A group has 1 to 2500 features, each name once.",
    "G6": "Types are Integral, Fractional and String; record identifier and event time are among "
    "the features; event time is Fractional or String.",
    "G7": "Collections need an InMemory store; a Vector is Fractional, has a dimension, and there "
    "is at most one.",
    "G8": "A group has an online store, an offline store or both.",
    "G9": "A store of type Standard can become Standard_V2, never the other way.",
    "G10": "An offline store needs a role and an S3 URI; an Iceberg table needs its Glue table and "
    "an event time of type String.",
    "G11": "A database and a table name of one's own are taken.",
    "G12": "Throughput is OnDemand or Provisioned, the latter not for Standard_V2 and InMemory, "
    "and becomes OnDemand once in 24 hours.",
    "G13": "A description has at most 128 characters, a group at most 50 tags, a role ARN its "
    "form.",
    "G14": "An update changes exactly one thing, takes a while (InProgress, then Successful), and "
    "only ever adds features, at most 100 at a time.",
    "G15": "A deleted group leaves its objects and its table.",
    "G16": "Groups are listed page by page, filtered by name and status.",
    "G17": "Tags are set, listed and removed.",
    "G18": "Each feature takes a description and up to 25 parameters; nothing else can be said of "
    "it.",
    "G19": "A group with an InMemory store has no offline store.",
    "G20": "What breaks patterns, maxima and enums leaves botocore unchecked and is refused by the "
    "service.",
    # errors
    "E1": "An unknown group is a ValidationError (400) to PutRecord and DeleteRecord, a "
    "ResourceNotFound (404) to GetRecord, UpdateRecord, ListRecords and BatchWriteRecord, and an "
    "entry of Errors to BatchGetRecord.",
    "E2": "The control plane answers ResourceInUse for a name that is taken and ResourceNotFound "
    "for one that isn't, both with status 400.",
    "E3": "A fifth creation at a time is refused with ResourceLimitExceeded.",
    "E4": "A value that isn't of its feature's type is a ValidationError (400).",
    "E5": "Throttling is a ThrottlingException (400), which botocore tries again.",
    "E6": "A store that the group lacks is a ValidationError.",
    # records
    "S1": "A greater event time replaces the whole record; features left out become absent.",
    "S2": "An equal or older event time leaves the online record, without an error, and is filed "
    "offline.",
    "S3": "Record identifier and event time are required.",
    "S4": "An unknown identifier is an answer without Record, no error.",
    "S5": "Values come back as the strings put, in definition order; FeatureNames choose some.",
    "S6": "A group's ARN serves as well as its name.",
    "S7": "TargetStores choose where a record goes; without it, to all stores.",
    "S8": "Integral is a signed 64-bit integer, Fractional a finite double, String any text, also "
    "an empty one.",
    "S9": "Fractional event times are epoch seconds, String ones ISO-8601 in UTC with a literal Z, "
    "to the second, the millisecond or the nanosecond.",
    "S10": "A soft delete hides the record; a put that is not newer doesn't bring it back.",
    "S11": "A soft delete that isn't later leaves the record, and its tombstone still goes "
    "offline.",
    "S12": "A hard delete forgets the record; one that isn't later is refused, without a "
    "tombstone.",
    "S13": "A tombstone holds identifier, the call's event time and is_deleted; the rest is null.",
    "S14": "A record expires at its event time plus its time to live, and is then not returned.",
    "S15": "ExpiresAt is told on request only.",
    "S16": "A record's own time to live counts before the batch's, which counts before the "
    "group's; a change of the group's is for later records.",
    "S17": "An expired record leaves a tombstone offline.",
    "S18": "UpdateRecord changes the features given and keeps the others; an equal event time is "
    "taken, an omitted one keeps the old, an older one is a ConflictException (409).",
    "S19": "UpdateRecord finds no record that is missing or deleted, takes a TtlDuration only with "
    "an event time, at most 100 features, and no offline store alone.",
    "S20": "UpdateRecord needs Standard_V2 or InMemory.",
    "S21": "ListRecords returns identifiers only, page by page, soft-deleted ones on request.",
    "S22": "BatchGetRecord returns what there is, leaves out what is not, and names what can't be "
    "read.",
    "S23": "BatchWriteRecord writes the good entries, of several groups, and returns the bad ones "
    "in Errors and those to be tried again in UnprocessedEntries.",
    "S24": "Collections travel as ValueAsStringList; a Vector has as many values as its dimension.",
    # offline store
    "O1": "Every put becomes a row, also repeats and historic ones.",
    "O2": "Glue tables: year=, month=, day=, hour= of the event time, UTC; a name is the newest "
    "event time, _ and 16 letters or digits.",
    "O3": "Columns are the features in definition order, then write_time, api_invocation_time "
    "(whole seconds) and is_deleted; Integral is long, Fractional double, String string.",
    "O4": "Iceberg tables: 8 letters or digits, then the day of the event time; metadata lies "
    "beside data.",
    "O5": "The table stands in the catalog under the name that DescribeFeatureGroup tells.",
    "O6": "A Glue table has no partition columns, so queries read all of it.",
    "O7": "Latest row per record: rank by event time, invocation and write time, and drop "
    "tombstones after ranking.",
    "O8": "OPTIMIZE and VACUUM make few objects of many in an Iceberg table, and change no row.",
    "O9": "Features that were added are null in older rows.",
    "O10": "Parquet objects that another writer puts below a Glue table's folder are rows too.",
    # quotas
    "Q1": "A record has at most 350 KB, its identifier 2 KB.",
    "Q2": "BatchGetRecord reads at most 100 records a call, BatchWriteRecord writes 25.",
    # Athena
    "A1": "A query is queued, runs and succeeds; its rows are a CSV object at OutputLocation.",
    "A2": "Results come in pages of at most 1000 rows; the first row of the first is the header.",
    "A3": "A query that can't be run ends as FAILED with a reason; one that can't be parsed is "
    "refused at once.",
    "A4": "A query that is stopped is CANCELLED; a token starts a query once.",
    "A5": "Partitions may be projected: no crawler, no registration.",
}

_FOLDER = Path(__file__).parents[1] / "contract"
PAGE = _FOLDER.parent.parent / "CONTRACT.md"
_HEAD = """# What we rely on in SageMaker Feature Store

<!-- Written by `python tests/featurestore_support/rules.py`; do not edit. -->

Every rule with the tests that hold the local AWS to it. They use boto3 alone, so the same tests
can be pointed at a real account, in the region and with the credentials of boto3's own chain:

```
CONTRACT_REAL_AWS=1 CONTRACT_BUCKET=... CONTRACT_ROLE_ARN=... pytest tests/contract
```

That takes an hour or so, since rows reach the offline store late, and leaves objects and tables
behind. Where AWS's documentation leaves a rule open, it is also among the
[doubts](../../docs/operations.md#doubts-about-real-aws).

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
