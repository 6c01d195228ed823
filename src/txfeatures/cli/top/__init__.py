"""A running pipeline, as its processes measure it.

Read in this order: ``counts`` (the metrics of all processes), ``pipeline`` (the stages and rates
that follow from them), ``screen`` (the table), ``command``.
"""
