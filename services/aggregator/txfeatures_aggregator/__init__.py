"""aggregator: transactions in, features per minute out."""
