"""Reasons for which tests are skipped."""

NEEDS_BROKER = "needs a Kafka broker: install faust-microbatch[broker]"
