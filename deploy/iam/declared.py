"""The rights of each process: its calls of AWS, its topics, groups and transactional ids.

Rights of AWS are those that AWS documents for the calls of the code, on the resources of the
calls. A test runs every process with exactly these and finds each of them needed.
"""

from collections.abc import Mapping
from types import MappingProxyType

from deploy.iam import elsewhere, in_cluster
from deploy.iam.grants import Process
from deploy.iam.studio import STUDIO

PROCESSES: Mapping[str, Process] = MappingProxyType(
    {**in_cluster.PROCESSES, **elsewhere.PROCESSES, "studio": STUDIO}
)
