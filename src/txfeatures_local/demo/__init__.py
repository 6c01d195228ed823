"""The whole pipeline on one machine, in one command.

Read in this order: ``plan`` (the options and the settings that follow from them), ``stack``
(the processes), ``drained`` (the end of a replay), ``export``
(the rows read back), ``screen`` (the table on the terminal), ``command``.
"""
