"""SageMaker Feature Store: the only code that reads and writes its two stores.

``codec`` turns a row into a record and back, ``errors`` classifies failures, ``retries``
repeats calls. ``online`` reads the online store, ``offline`` the Parquet objects of the offline
store, and ``writer`` writes to both.
"""
