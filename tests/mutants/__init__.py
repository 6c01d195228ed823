"""Mutation tests: bugs planted one at a time, each of which some test must notice.

The list is in ``catalogue/``; ``python -m tests.mutants`` runs it and prints the score.
"""
