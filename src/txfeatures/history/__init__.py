"""The past, recomputed: minutes from the archive, training sets, backfill and audit.

``sources`` provide transactions, ``log`` and ``late`` decide which of them count and when a
minute was closed, by the ``rules`` of the services. ``minutes`` makes rows of them in DuckDB.
``backfill``, ``dataset`` and ``audit`` are the commands.
"""
