"""Settings of one stage, read from a TOML file."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from txfeatures.domain.errors import SettingsError
from txfeatures.domain.topics import SAFE_REPLICATION

IMAGES = ("poller", "dedup", "aggregator", "fs_writer", "api", "tools")
"""Names of the images: the services, and the one of the commands."""

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Digests = Mapping[Literal["poller", "dedup", "aggregator", "fs_writer", "api", "tools"], Digest]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Repository(_Table):
    """The repository from which the pipeline deploys.

    Attributes:
        connection: ARN of a CodeConnections connection, which someone has confirmed.
        name: Owner and name.
        branch: The branch that is deployed.
        settings: The stage's file in it.
    """

    connection: Annotated[
        str, StringConstraints(pattern=r"^arn:aws[a-z-]*:(codeconnections|codestar-connections):.+")
    ]
    name: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    branch: str = "main"
    settings: Annotated[str, StringConstraints(pattern=r"^[\w./-]+\.toml$")]


class StudioSettings(_Table):
    """A SageMaker Studio for data scientists.

    Attributes:
        user: Name of the user profile.
        notebooks: Git repository that the space clones; None for an empty space.
        instance: Machine of the notebooks, which is billed while one is open.
    """

    user: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$")] = (
        "data-scientist"
    )
    notebooks: Annotated[str, StringConstraints(pattern=r"^https://.+$")] | None = None
    instance: Annotated[str, StringConstraints(pattern=r"^ml\.[a-z0-9]+\.[a-z0-9]+$")] = (
        "ml.t3.medium"
    )


class Settings(_Table):
    """One stage of the system, alone in its account and region.

    The archive's database in Glue and the feature group have fixed names there.

    Attributes:
        stage: Part of every name.
        account: The account.
        region: The region.
        partition: Its partition.
        zones: Two or three availability zones; each has one broker.
        nodes: Machines of the cluster.
        partitions: Partitions of the topics that scale.
        keep_data: Whether bucket, key, feature group, images and logs outlive the stacks.
        mail: Address for alarms and the budget.
        budget_usd: What the account may cost in a month.
        topic_metrics: Whether the brokers publish metrics of each topic, which CloudWatch bills.
            Without them the dashboard has bytes per broker.
        administrator: ARN of a role that administers the cluster; None for nobody but this stack.
        endpoint_networks: Networks that reach the cluster's endpoint; none leaves it private.
        digests: Digest of each image; those of the chart's version if empty.
        studio: The Studio; None for none.
        repository: Where the pipeline gets its source; None for no pipeline.
    """

    stage: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,11}$")]
    account: Annotated[str, StringConstraints(pattern=r"^\d{12}$")]
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,4}(-[a-z]+)+-\d$")]
    partition: Literal["aws", "aws-cn", "aws-us-gov", "aws-eusc"] = "aws"
    zones: Annotated[tuple[str, ...], Field(min_length=2, max_length=3)]
    nodes: Annotated[int, Field(ge=2, le=20)] = 3
    partitions: Annotated[int, Field(ge=1, le=100)] = 4
    keep_data: bool = False
    mail: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]
    budget_usd: Annotated[int, Field(ge=1)] = 450
    topic_metrics: bool = True
    administrator: str | None = None
    endpoint_networks: tuple[str, ...] = ()
    digests: Digests = Field(default_factory=dict)
    studio: StudioSettings | None = None
    repository: Repository | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if foreign := [zone for zone in self.zones if not zone.startswith(self.region)]:
            raise ValueError(f"zones: {', '.join(foreign)} not in {self.region}")
        if len(set(self.zones)) < len(self.zones):
            raise ValueError("zones: each must be another")
        if self.repository and len(self.zones) < SAFE_REPLICATION:
            raise ValueError(
                f"zones: a pipeline needs {SAFE_REPLICATION}, because doctor, its gate, refuses "
                "two brokers as unsafe"
            )
        if self.digests and (missing := [name for name in IMAGES if name not in self.digests]):
            raise ValueError(f"digests: {', '.join(missing)} missing; give all images or none")
        if any(network.endswith("/0") for network in self.endpoint_networks):
            raise ValueError("endpoint_networks: the whole internet is no network of yours")
        return self

    @property
    def name(self) -> str:
        """Name of the stage's parts that have one."""
        return f"txfeatures-{self.stage}"

    @property
    def bucket(self) -> str:
        """Name of the bucket; others' buckets share the name space, hence account and region."""
        return f"{self.name}-{self.account}-{self.region}"


def load(path: Path, digests: Path | None = None) -> Settings:
    """Return the settings in a TOML file.

    Args:
        path: The file.
        digests: A JSON file with the digest of each image, as the pipeline writes it.

    Raises:
        SettingsError: A file cannot be read, or a setting is wrong, missing or unknown.
    """
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        if digests is not None:
            found["digests"] = json.loads(digests.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{error}; deploy/cdk/example.toml has the form of {path}") from error
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ")
            for each in error.errors()
        )
        raise SettingsError(f"{path}: {wrong}; deploy/cdk/example.toml has the form") from error
