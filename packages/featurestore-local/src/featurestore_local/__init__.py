"""A local AWS: moto, with SageMaker Feature Store added as AWS documents it.

See ``server.LocalAws`` for use in a process, ``featurestore-local`` for the
command, and ``controls`` and ``faults`` for rehearsing failures. A request comes in at
``listener``, is dispatched by ``app``, read by ``wire``, checked by ``validation`` and done
by ``control`` or ``data``.

Queries of the tables are run by ``athena``.

Not done here: signatures and permissions aren't checked, nothing is throttled unless a
fault says so, and an Iceberg table's metadata is of our own kind (see ``iceberg``).
Wherever AWS's documentation leaves a rule open, ours is the stricter reading.
"""

from featurestore_local.server import LocalAws
from featurestore_local.services import ACCOUNT

__all__ = ["ACCOUNT", "LocalAws"]
