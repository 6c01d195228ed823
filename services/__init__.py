"""The five services; each has the same files, read in the same order."""
