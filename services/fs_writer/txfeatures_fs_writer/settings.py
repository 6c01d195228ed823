"""Settings of fs_writer: ``TXF_FS_WRITER_*`` and the shared groups."""

from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from txfeatures.process.settings import AwsSettings, FeaturesSettings, TracedServiceSettings

MIB = 1024 * 1024
HOUR_S = 3600


class Settings(TracedServiceSettings):
    """Settings of fs_writer."""

    model_config = SettingsConfigDict(env_prefix="TXF_FS_WRITER_")

    steps: Literal["features", "archive", "both"] = Field(
        default="both",
        description="Steps that this process runs: features (rows to the Feature Store), archive "
        "(transactions to S3) or both.",
    )
    concurrency: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Calls to the Feature Store at a time; fewer for a while when it refuses. "
        "With more rows than that, 25 of different minutes go with each call.",
    )
    max_records: int = Field(
        default=200,
        ge=1,
        le=1000,
        description="Largest batch of rows; of those only the newest provisional one of a "
        "minute is put. All of it must be put within Kafka's five minutes between two polls.",
    )
    dead_letter_limit: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Most dead letters among the last records of a partition, ten times as many "
        "as this number; one more ends the step of the features.",
    )
    archive_cut_s: int = Field(
        default=300,
        ge=1,
        le=HOUR_S,
        description="Seconds of the feed's clock in one archive object; must divide an hour. "
        "Another value cuts the archive differently, so a change is for a new bucket.",
    )
    archive_max_rows: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Most transactions in an archive object."
    )
    archive_max_bytes: int = Field(
        default=64 * MIB,
        ge=1,
        le=512 * MIB,
        description="JSON bytes after which an archive object is full; times the partitions, "
        "this is what the archive holds in memory at most.",
    )
    features: FeaturesSettings = Field(
        default_factory=FeaturesSettings, description="See TXF_FEATURES_*."
    )
    aws: AwsSettings = Field(default_factory=AwsSettings, description="See TXF_AWS_*.")

    @field_validator("archive_cut_s")
    @classmethod
    def _divides_an_hour(cls, seconds: int) -> int:
        # An object lies under one hour=HH, so no object may span two hours.
        if HOUR_S % seconds:
            raise ValueError("must divide an hour, as 60, 300 or 600 do")
        return seconds
