"""dedup: the first sighting of each transaction goes on."""
