"""The error of this package."""


class LocalKafkaError(Exception):
    """The broker can't run; the message is one sentence with the next step."""
