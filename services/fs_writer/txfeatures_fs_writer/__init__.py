"""Writes the rows of features to Feature Store and the transactions to the archive."""
