"""The product beside its peers: the same records, the same broker, the same machine.

The parts, from the bottom: ``load`` makes the records, ``cluster`` keeps them on a broker,
``environments`` and ``systems`` know how each system is started, ``measure`` runs one and looks
at it from outside, ``stages`` says what is compared, ``contest`` runs all in turn, and
``report`` says what came of it.
"""
