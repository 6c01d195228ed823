"""Compaction of the archive and of the offline store: few large objects out of many small ones.

The protocol, and the proof that a reader never misses or doubles a row, is in
docs/adr/0015-compaction.md. ``plan`` decides, ``merging`` rewrites, ``shelf`` compacts one
shelf safely, ``archive`` compacts all of them, and ``lease`` excludes a second compaction.
``offline_store`` compacts an Iceberg table through Athena.
"""
