"""A local AWS: moto, with SageMaker Feature Store added as AWS documents it.

See ``server.LocalAws`` for use in a process, ``featurestore-local`` for the
command, and ``controls`` and ``faults`` for rehearsing failures. A request arrives at
``listener``, is dispatched by ``app``, parsed by ``wire``, checked by ``validation`` and
handled by ``control`` or ``data``; ``athena`` runs queries of the tables.

Signatures and permissions aren't checked, and calls are throttled by faults only. Wherever
AWS's documentation leaves a rule open, this package implements the stricter reading.
"""

from featurestore_local.server import LocalAws
from featurestore_local.services import ACCOUNT

__all__ = ["ACCOUNT", "LocalAws"]
