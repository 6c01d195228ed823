"""The adapter: Faust's App, agents and Tables on the engine."""
