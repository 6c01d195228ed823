"""The release: the chart of this repository, with the values of a stage."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from aws_cdk import Duration
from aws_cdk import aws_s3_assets as assets
from constructs import Construct, IDependable

from deploy.cdk.cluster import STORAGE_CLASS, Cluster
from deploy.cdk.settings import Settings
from deploy.iam.site import Site

CHART = Path(__file__).parents[1] / "helm" / "txfeatures"
Values = dict[str, Any]


def values(
    settings: Settings, site: Site, *, registry: str, bootstrap_servers: str, store_role: str
) -> Values:
    """Return the chart's values: those for EKS, with what is this stage's."""
    found: Values = yaml.safe_load((CHART / "values-eks.yaml").read_text(encoding="utf-8"))
    ours: Values = {
        "image": {"registry": registry, "digests": dict(settings.digests)},
        "aws": {"region": settings.region},
        "settings": {
            "kafka": {"bootstrap_servers": bootstrap_servers},
            "aws": {
                "feature_group": site.feature_group,
                "bucket": site.bucket,
                "bucket_owner": settings.account,
                "kms_key_arn": site.kms_key,
                "role_arn": store_role,
                "workgroup": site.workgroup,
            },
        },
        "bootstrap": {
            "settings": {"partitions": settings.partitions, "replication": len(settings.zones)}
        },
        "services": {
            "poller": {"spool": {"storageClassName": STORAGE_CLASS}},
            "api": {"autoscaling": {"maxReplicas": 4}},
        },
        # CloudWatch watches the account; Prometheus' operator is a choice of its own.
        "networkPolicy": {"scrapeFromNamespaces": []},
        "monitoring": {
            name: {"enabled": False} for name in ("serviceMonitor", "prometheusRule", "dashboards")
        },
    }
    return _merged(found, ours)


class Release(Construct):
    """The services, in a namespace that takes the pollers' disks with it when it goes."""

    def __init__(
        self,
        scope: Construct,
        identifier: str,
        *,
        cluster: Cluster,
        site: Site,
        values: Values,
        after: tuple[IDependable, ...],
    ) -> None:
        super().__init__(scope, identifier)
        namespace = cluster.eks.add_manifest(
            "Namespace",
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": site.namespace,
                    "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
                },
            },
        )
        namespace.node.add_dependency(*cluster.ready)
        chart = cluster.eks.add_helm_chart(
            "Release",
            chart_asset=assets.Asset(self, "Chart", path=str(CHART)),
            release=site.release,
            namespace=site.namespace,
            create_namespace=False,
            atomic=True,
            timeout=Duration.minutes(15),
            values=values,
        )
        chart.node.add_dependency(namespace, *after)


def _merged(under: Values, over: Mapping[str, Any]) -> Values:
    """Return ``under`` with the values of ``over``, table by table, as helm does."""
    return under | {
        name: _merged(under[name], value)
        if isinstance(value, Mapping) and isinstance(under.get(name), dict)
        else value
        for name, value in over.items()
    }
