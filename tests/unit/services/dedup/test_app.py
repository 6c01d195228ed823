from services.dedup import app
from services.dedup.logic import dedup
from txfeatures import wire
from txfeatures.model import OutgoingRecord, Record


def record(key: bytes | None, *, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    return Record(
        topic="raw",
        partition=3,
        offset=9,
        key=key,
        value=b"\xff" if key else b"",
        timestamp_ms=5,
        headers=headers,
    )


def sent(item: Record) -> OutgoingRecord:
    [found] = app.outgoing(dedup({}, [item], remember_ms=1))
    return found


def test_a_first_sighting_goes_byte_for_byte_to_the_same_partition_with_the_same_clock() -> None:
    headers = (("traceparent", b"00"),)
    assert sent(record(b"ab" * 32, headers=headers)) == OutgoingRecord(
        topic="deduped",
        partition=3,
        key=b"ab" * 32,
        value=b"\xff",
        timestamp_ms=5,
        headers=headers,
    )


def test_a_tick_is_still_a_tick_behind_dedup() -> None:
    found = sent(record(None, headers=((wire.TICK_HEADER, b"1"),)))
    assert found == wire.tick("deduped", 3, 5)


def test_a_bad_key_goes_to_the_dead_letters_with_the_reason() -> None:
    found = sent(record(b"xyz"))
    assert (found.topic, found.key, found.value) == ("raw.dlq", b"xyz", b"\xff")
    assert wire.header(found.headers, "txf-reason") == b"bad_key"
