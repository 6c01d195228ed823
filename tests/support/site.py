"""The installation whose rights the tests use: the account and the names of the local AWS."""

from deploy.iam.declared import PROCESSES
from deploy.iam.policies import policy
from deploy.iam.site import Site
from tests.support.aws_needs import ACCOUNT
from tests.support.iam import Policy

REGION = "eu-west-1"
KMS_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"

SITE = Site(
    cluster=f"arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/local/0a1b2c3d-4e5f-6789-abcd-ef0123456789-1",
    bucket="txfeatures",
    table_format="iceberg",
    kms_key=KMS_KEY,
)


def policies(site: Site = SITE) -> dict[str, Policy]:
    """Return the policy of each process."""
    return {name: policy(process, site) for name, process in PROCESSES.items()}
