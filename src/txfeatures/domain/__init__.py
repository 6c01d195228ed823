"""Values, rules and wire formats of the product; imports no other room of the package [pure]."""
