"""Compaction of the archive and of the offline store: few large objects out of many small ones.

The protocol, and why a reader never misses or doubles a row, is in
docs/adr/0015-compaction.md. ``plan`` decides, ``merging`` rewrites, ``shelf`` does one
shelf safely, ``lease`` keeps a second compaction out, ``archive`` does them all;
``offline_store`` lets Athena do the same to an Iceberg table.
"""
