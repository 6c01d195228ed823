"""Kafka: clients, sources, administration, security, streaming, dead letters."""
