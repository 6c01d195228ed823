"""The archive: every transaction as Parquet in S3, with manifests of the live objects.

``layout`` defines the keys, ``schema`` the columns, ``manifests`` the lists of live objects.
``reading`` reads the archive, ``catalog`` registers it as a table for Athena, ``objects``
stores objects, and ``bucket`` is the only module that calls S3.
"""
