"""Unavailability that the api explains itself; the words of Kafka and AWS are for the log alone."""

from txfeatures.domain.errors import TransientError


class UnavailableError(TransientError):
    """A refusal for now, whose sentence is meant for the client."""
