"""Examination of an installation: one finding for each check, each failure with its next step.

Nothing of the pipeline is changed. Rights to write are proved by calls that AWS must refuse for
another reason; two options store something and delete it again.

``diagnosis`` puts the checks together and ``examination`` runs them; ``finding`` has the values
and ``view`` their text. The checks are in ``installation``, ``kafka`` (with the pure verdicts of
``topics``), ``account``, ``bucket``, ``feature_group``, ``catalog`` and ``doubts``; ``calls``
names the right that a call of AWS lacked.
"""
