"""The names of one installation, from which the ARNs of its resources follow."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from botocore.session import get_session

from txfeatures.domain.errors import FatalError
from txfeatures.studio.account import role_name

_CLUSTER = re.compile(
    r"arn:(?P<partition>[a-z-]+):kafka:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"cluster/(?P<name>[^/]{1,64})/(?P<uuid>[^/]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One installation. The ARN of its cluster also names partition, region and account.

    Attributes:
        cluster: ARN of the MSK cluster.
        bucket: Bucket of the archive and the offline store.
        feature_group: Name of the feature group.
        store_role: Name of the role with which SageMaker writes the offline store.
        workgroup: Athena's workgroup.
        table_format: Table format of the offline store.
        kms_key: ARN of the key that encrypts bucket, feature group and query results; None for
            AWS's own keys.
        namespace: Kubernetes namespace of the release.
        release: Name of the Helm release.
        studio: Name of the SageMaker Studio.
        oidc_provider: Issuer of the cluster's service accounts without ``https://``, for IRSA;
            None for Pod Identity.
    """

    cluster: str
    bucket: str
    feature_group: str = "bitcoin-features-1min"
    store_role: str = "txfeatures-feature-store"
    workgroup: str = "primary"
    table_format: Literal["glue", "iceberg"] = "glue"
    kms_key: str | None = None
    namespace: str = "features"
    release: str = "txfeatures"
    studio: str = "txfeatures"
    oidc_provider: str | None = None

    def names(self) -> dict[str, str]:
        """Return what the templates of ARNs name.

        Raises:
            FatalError: ``cluster`` is no ARN of an MSK cluster.
        """
        found = _CLUSTER.fullmatch(self.cluster)
        if found is None:
            raise FatalError(
                f"{self.cluster} is no ARN of an MSK cluster; `aws kafka list-clusters-v2` lists "
                "them, as arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID"
            )
        return {
            **found.groupdict(),
            "bucket": self.bucket,
            "feature_group": self.feature_group,
            # Feature Store writes the group's name with _ or with - in the name of its table.
            "offline_table": f"{re.sub('[-_]', '?', self.feature_group)}*",
            "store_role": self.store_role,
            "workgroup": self.workgroup,
            "studio_role": role_name(self.studio),
            "kms_key": self.kms_key or "",
            "dns_suffix": _dns_suffix(found["partition"]),
        }


def _dns_suffix(partition: str) -> str:
    loader = get_session().get_component("data_loader")
    partitions: list[dict[str, Any]] = loader.load_data("partitions")["partitions"]
    for found in partitions:
        if found["id"] == partition:
            return str(found["outputs"]["dnsSuffix"])
    known = ", ".join(str(found["id"]) for found in partitions)
    raise FatalError(f"AWS has no partition {partition}; the ARN's second part is one of {known}")
