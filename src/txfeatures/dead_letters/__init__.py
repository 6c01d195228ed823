"""The dead letters of all services: found, shown, and sent back to their topics.

`letter` holds the decisions, `view` the text for a terminal (both pure), `replay` the work.
"""
