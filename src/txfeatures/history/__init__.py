"""The past, recomputed: minutes from the archive, training sets, backfill and audit.

``rules`` and ``late`` say which transactions count and when a minute was closed, ``sources``
where transactions come from, ``minutes`` makes rows of them in DuckDB. ``offline`` and
``online`` read the two stores. ``backfill``, ``dataset`` and ``audit`` are what people ask for.
"""
