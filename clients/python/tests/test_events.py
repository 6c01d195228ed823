from itertools import chain

import pytest

from txfeatures.client.errors import BadAnswerError
from txfeatures.client.events import MAX_BUFFER_BYTES, Event, EventParser

TEXT = b"\xef\xbb\xbf: hello\nretry: 250\n\nevent: row\nid: 1\ndata: a\ndata:b\n\ndata\n\nid: 2\n\n"
EVENTS = [Event(name="row", data="a\nb"), Event(name="message", data="")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_however_they_are_cut(end: bytes, size: int) -> None:
    text = TEXT.replace(b"\n", end) + b":\n"  # a last CR waits for what follows
    parser = EventParser()
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert [event for chunk in chunks for event in parser.feed(chunk)] == EVENTS
    assert parser.retry_s == 0.25


def test_an_event_without_its_end_is_none() -> None:
    assert list(EventParser().feed(b"data: a\n")) == []


@pytest.mark.parametrize("retry", ["", "-1", "1.5", "²", "soon"])
def test_a_retry_that_is_no_number_is_ignored(retry: str) -> None:
    parser = EventParser()
    assert list(parser.feed(f"retry: {retry}\n\n".encode())) == []
    assert parser.retry_s is None


@pytest.mark.parametrize("chunk", [b"a" * 65536, b"data: " + b"a" * 65536 + b"\n"])
def test_an_endless_line_or_event_does_not_fill_the_memory(chunk: bytes) -> None:
    parser = EventParser()
    chunks = [chunk] * (2 * MAX_BUFFER_BYTES // len(chunk))
    with pytest.raises(BadAnswerError, match="An event is larger than"):
        list(chain.from_iterable(map(parser.feed, chunks)))
