"""Values, rules and formats of the product; it imports nothing else of this package [pure]."""
