"""Benchmark of the product against its peers: same records, same broker, same machine.

The parts, from the bottom: ``load`` generates the records, ``cluster`` keeps them on a broker,
``environments`` and ``systems`` start each system, ``measure`` samples one from outside,
``stages`` declares the comparisons, ``contest`` runs all systems in turn, and ``report`` formats
the results.
"""
