"""Deterministic simulation of the pipeline: one seed decides everything that happens.

The services' own apps and steps, and the real engine around them, run on a Kafka in memory with
transactions, groups, generations and fencing. One scheduler picks the next step of any process,
or a fault, by a random number generator; a virtual clock stands in for the machine's. The same
seed gives the same history, step by step.
"""
