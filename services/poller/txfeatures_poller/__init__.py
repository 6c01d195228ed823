"""poller: the source's newest transactions in; ``raw`` and ``feed`` out. See README.md."""
