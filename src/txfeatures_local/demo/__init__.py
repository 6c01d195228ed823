"""The whole pipeline on one machine, in one command.

Read in this order: ``plan`` (what was asked for), ``stack`` (the processes), ``counts``
(what they have counted), ``drained`` (has everything arrived), ``export`` (the rows
read back), ``screen`` (what people see), ``command``.
"""
