"""api: serves the features of each minute over HTTP."""
