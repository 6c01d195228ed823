"""The subcommands that this repository has: all that their list and their help need.

``txfeatures --help`` must not load DuckDB, boto3 or Kafka's client, so it prints this table and
loads no command. A test compares it with the commands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

USAGE = "2 wrong usage"
DONE = f"0 done, 1 failed, {USAGE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One subcommand.

    Attributes:
        summary: First sentence of its help.
        example: A command line that works, and that its help shows.
        exits: Exit codes and their meaning.
        packages: Optional packages; the command is left out where one is not installed.
        examples: Name of a subcommand of its own -> example.
    """

    summary: str
    example: str
    exits: str = DONE
    packages: tuple[str, ...] = ()
    examples: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_installed(self) -> bool:
        """True if every package of the command can be imported."""
        return all(find_spec(package) is not None for package in self.packages)


_HISTORY = ("boto3", "duckdb", "pyarrow", "rich")
_LOCAL = (*_HISTORY, "confluent_kafka", "featurestore_local", "httpx", "kafka_local")

CATALOGUE: Mapping[str, Entry] = {
    "audit": Entry(
        summary="Recompute minutes from the archive and compare both stores.",
        example="txfeatures audit --start 2026-01-02 --end 2026-01-03 --json",
        exits=f"0 all is equal, 1 something differs or the audit failed, {USAGE}",
        packages=(*_HISTORY, "confluent_kafka"),
    ),
    "backfill": Entry(
        summary="Recompute past minutes and write the rows that are missing or differ; resumable.",
        example="txfeatures backfill --start 2026-01-02 --end 2026-01-03 --dry-run",
        packages=_HISTORY,
    ),
    "bootstrap": Entry(
        summary="Create the topics, the bucket, the feature group and the archive's table if "
        "missing.",
        example="TXF_BOOTSTRAP_PARTITIONS=8 txfeatures bootstrap",
    ),
    "compact": Entry(
        summary="Compact the archive, and the offline store if it is an Iceberg table.",
        example="txfeatures compact --only archive --target-mib 128 --dry-run",
        packages=("boto3", "pyarrow", "rich"),
    ),
    "cost": Entry(
        summary="Estimate what a deployment costs in a month, line by line.",
        example="txfeatures cost --rate 100 --kind standard",
    ),
    "dataset": Entry(
        summary="Write one row per minute: its latest revision known at a moment, gaps flagged.",
        example="txfeatures dataset --start 2026-01-02 --end 2026-01-03 --out set.parquet",
        packages=_HISTORY,
    ),
    "demo": Entry(
        summary="Run the whole pipeline on this machine and show its counts; Ctrl-C stops it.",
        example="txfeatures demo --source simulation --port 8001",
        packages=("txfeatures_local", *_LOCAL),
    ),
    "dlq": Entry(
        summary="List, show and replay dead letters.",
        example="txfeatures dlq list --topic raw.dlq",
        packages=("confluent_kafka",),
        examples={
            "list": "txfeatures dlq list --topic raw.dlq --since 2026-01-02 --json",
            "show": "txfeatures dlq show raw.dlq 0 17",
            "replay": "txfeatures dlq replay --topic raw.dlq --reason bad_fee --dry-run",
        },
    ),
    "doctor": Entry(
        summary="Examine settings, Kafka and AWS; name each fault with the next step.",
        example="txfeatures doctor --only aws --json",
        exits=f"0 nothing failed, 1 a check failed, {USAGE}",
        packages=("boto3", "confluent_kafka", "pyarrow"),
    ),
    "env": Entry(
        summary="Print the settings of the running demo, for a shell.",
        example='eval "$(txfeatures --demo env)"',
    ),
    "features": Entry(
        summary="List the declared features, check a declaration, or try it on a recording.",
        example="txfeatures features --json",
        examples={
            "list": "txfeatures features list --json",
            "check": "txfeatures features check features.yaml",
            "try": "txfeatures features try features.yaml --on examples/recording.ndjson.gz",
            "schema": "txfeatures features schema",
        },
    ),
    "record": Entry(
        summary="Write the live endpoint's transactions into a recording, each once.",
        example="txfeatures record hour.ndjson.gz --seconds 3600",
        packages=("httpx",),
    ),
    "studio": Entry(
        summary="Create, list and delete a SageMaker Studio domain with all of its parts.",
        example="txfeatures studio status",
        packages=("boto3",),
        examples={
            "create": "txfeatures studio create --vpc vpc-0abc --subnet subnet-0abc "
            "--policy rights/data_scientist.policy.json",
            "status": "txfeatures studio status --json",
            "delete": "txfeatures studio delete --dry-run",
        },
    ),
    "top": Entry(
        summary="Show a running pipeline: rates, lag, freshness, gaps and dead letters.",
        example="txfeatures --demo top",
        packages=("httpx", "rich"),
    ),
}
