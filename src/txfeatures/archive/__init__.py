"""The archive: every transaction as Parquet in S3, and which objects of it are live.

``layout`` names things, ``schema`` has the columns, ``manifests`` says what is live,
``reading`` is for whoever reads, ``catalog`` for whoever asks Athena; ``objects`` stores,
and ``bucket`` is all they know of S3.
"""
