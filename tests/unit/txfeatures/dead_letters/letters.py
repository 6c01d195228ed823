"""Dead letters as the services write them."""

from txfeatures.dead_letters.letter import Letter
from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import Headers, Record

FEED_S = 1_729_296_000
HASH = "ab" * 32
TRANSACTION = b'{"hash":"%s","time":%d,"fee":7}' % (HASH.encode(), FEED_S)


def from_poller(
    value: bytes | None, *, reason: str = "bad_fee", offset: int = 0, headers: Headers = ()
) -> Record:
    error = InvalidMessageError(reason, "what is wrong")
    return Record(
        topic="raw.dlq",
        partition=2,
        offset=offset,
        key=None,
        value=value,
        timestamp_ms=FEED_S * 1000,
        headers=(("txf-poller", b"p1"), *headers, *wire.error_headers(error)),
    )


def from_service(
    topic: str, value: bytes | None, *, key: bytes | None = b"k", headers: Headers = ()
) -> Record:
    source = Record(
        topic=topic,
        partition=3,
        offset=17,
        key=key,
        value=value,
        timestamp_ms=FEED_S * 1000,
        headers=headers,
    )
    sent = wire.dead_letter(source, InvalidMessageError("bad_time", "what is wrong"))
    return Record(
        topic=sent.topic,
        partition=3,
        offset=5,
        key=sent.key,
        value=sent.value,
        timestamp_ms=sent.timestamp_ms,
        headers=sent.headers,
    )


def waiting(record: Record) -> Letter:
    return Letter(record=record, is_replayed=False)
