"""A local AWS: moto, with SageMaker Feature Store added as AWS documents it.

See ``server.LocalAws`` for use in a process, ``python -m txfeatures_local.aws`` for the
command, and ``controls`` for ordering faults.
"""

from txfeatures_local.aws.server import ACCOUNT, LocalAws

__all__ = ["ACCOUNT", "LocalAws"]
