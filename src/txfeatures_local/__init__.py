"""The pipeline on a laptop: a stand-in for the source, and the demo that runs everything."""
