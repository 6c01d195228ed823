"""Fuzzing: whatever arrives is a value or a refusal with a reason, and nothing else.

The quick gate runs few examples of each test, always the same. `python -m tests.fuzz` runs new
ones for as long as it is given, and keeps those that failed.
"""
