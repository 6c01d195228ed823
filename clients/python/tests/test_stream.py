import json

import pytest

from client_support.clients import Client
from client_support.scripted_api import Handler, ScriptedApi, event, problem, row
from txfeatures.client import (
    BadAnswerError,
    FeaturesError,
    Row,
    UnauthorizedError,
    UnavailableError,
    UnsupportedError,
)


def ids(rows: list[Row]) -> list[tuple[int, int]]:
    return [(row.minute.minute, row.revision) for row in rows]


def last_ids(api: ScriptedApi) -> list[str | None]:
    return [headers.get("last-event-id") for _, _, headers in api.requests]


def test_it_begins_with_the_newest_row(api: ScriptedApi, client: Client) -> None:
    api.publish(row(3), row(4))
    rows = client.take(2, on_row=lambda found: api.publish(row(4, found.revision + 1)))
    assert ids(rows) == [(4, 1), (4, 2)]
    assert last_ids(api) == [None]
    assert api.paths == ["/v1/features/stream"]


@pytest.mark.parametrize("after", ["2026-01-02T03:03:00Z/1", Row.of(row(3))])
def test_it_resumes_after_a_row_of_another_process(
    api: ScriptedApi, client: Client, after: Row | str
) -> None:
    api.publish(row(3), row(3, 2), row(4), row(5))
    assert ids(client.take(3, after=after)) == [(3, 2), (4, 1), (5, 1)]
    assert last_ids(api) == ["2026-01-02T03:03:00Z/1"]


def test_it_survives_restarts_of_the_api_and_loses_and_repeats_nothing(
    api: ScriptedApi, client: Client
) -> None:
    def restart(found: Row) -> None:
        if found.revision == 1:
            api.stop()
            api.rows += [row(found.minute.minute, 2), row(found.minute.minute + 1)]
            api.start()

    api.publish(row(3))
    rows = client.take(8, on_row=restart)
    assert ids(rows) == [(minute, revision) for minute in (3, 4, 5, 6) for revision in (1, 2)]
    assert len(api.requests) == 5
    assert last_ids(api)[1:] == [f"2026-01-02T03:0{minute}:00Z/1" for minute in (3, 4, 5, 6)]


def test_half_an_event_is_forgotten_and_read_again(api: ScriptedApi, client: Client) -> None:
    def half(handler: Handler) -> None:
        handler.open_stream()
        handler.send(event(row(3)) + event(row(4))[:60])
        handler.cut()

    api.script.append(half)
    api.publish(row(3), row(4))
    assert ids(client.take(2)) == [(3, 1), (4, 1)]
    assert last_ids(api) == [None, "2026-01-02T03:03:00Z/1"]


def test_an_event_in_pieces_is_one_row(api: ScriptedApi, client: Client) -> None:
    def pieces(handler: Handler) -> None:
        handler.open_stream()
        for byte in event(row(3, more="ü")) + b": heartbeat\r\n\r\n" + event(row(4)):
            handler.send(bytes([byte]))
        handler.cut()

    api.script.append(pieces)
    rows = client.take(2)
    assert ids(rows) == [(3, 1), (4, 1)]
    assert rows[0].more == {"more": "ü"}


def test_repeated_rows_and_older_revisions_of_any_minute_are_left_out(
    api: ScriptedApi, client: Client
) -> None:
    def careless(handler: Handler) -> None:
        handler.open_stream()
        for values in (row(4), row(4), row(3), row(4, 3), row(4, 2), row(3, 9), row(5)):
            handler.send(event(values))
        handler.cut()

    api.script.append(careless)
    assert ids(client.take(5)) == [(4, 1), (3, 1), (4, 3), (3, 9), (5, 1)]


def test_the_final_row_of_a_minute_follows_provisional_ones_of_the_next(
    api: ScriptedApi, client: Client
) -> None:
    def stop_in_between(handler: Handler) -> None:
        handler.open_stream()
        handler.send(event(row(3)) + event(row(4)) + event(row(3, 2, is_final=1)))
        handler.cut()

    api.script.append(stop_in_between)
    api.publish(row(3, 2, is_final=1), row(4), row(4, 2))  # repeats row 4 after the reconnect
    assert ids(client.take(4)) == [(3, 1), (4, 1), (3, 2), (4, 2)]
    assert last_ids(api) == [None, "2026-01-02T03:03:00Z/2"]


def test_an_end_in_order_is_followed_by_a_reconnect(api: ScriptedApi, client: Client) -> None:
    def finish(handler: Handler) -> None:
        handler.open_stream()
        handler.send(event(row(3)))
        handler.end_stream()

    api.script.append(finish)
    api.publish(row(3), row(4))
    assert ids(client.take(2)) == [(3, 1), (4, 1)]


def test_an_api_that_is_down_for_a_while_is_awaited(api: ScriptedApi, client: Client) -> None:
    api.publish(row(3))
    api.script += [problem(503, "Down."), problem(429, "Too many.", Retry_After="0")] * 4
    assert ids(client.take(1)) == [(3, 1)]
    assert len(api.requests) == 9


def test_the_number_of_vain_reconnects_can_be_limited(api: ScriptedApi, client: Client) -> None:
    api.script += [problem(503, "The store is down; try again.")] * 9
    with pytest.raises(UnavailableError, match="The store is down"):
        client.take(1, max_reconnects=2)
    assert len(api.requests) == 3


def test_a_refusal_ends_it(api: ScriptedApi, client: Client) -> None:
    api.script.append(problem(401, "Give a token."))
    with pytest.raises(UnauthorizedError, match="Give a token"):
        client.take(1)


def test_an_older_api_has_none(api: ScriptedApi, client: Client) -> None:
    api.has_v1 = False
    with pytest.raises(UnsupportedError, match="has no stream; upgrade it, or call `latest"):
        client.take(1)
    assert api.paths == ["/v1/features/stream", "/features/stream"]


def test_another_server_is_no_stream(api: ScriptedApi, client: Client) -> None:
    api.script.append((200, {"Content-Type": "text/html"}, b"<html>"))
    with pytest.raises(BadAnswerError, match="The answer is no stream"):
        client.take(1)


def test_a_row_that_cannot_be_read_ends_it(api: ScriptedApi, client: Client) -> None:
    def broken(handler: Handler) -> None:
        handler.open_stream()
        handler.send(b"event: other\ndata: 1\n\nevent: row\ndata: {]\n\n")

    api.script.append(broken)
    with pytest.raises(BadAnswerError, match="not JSON"):
        client.take(1)


@pytest.mark.parametrize("after", ["", "2026-01-02", "2026-01-02T03:04:00Z", "a/b"])
def test_what_is_no_position_is_refused(client: Client, after: str) -> None:
    with pytest.raises(FeaturesError, match="is no position; give the `id` of a row"):
        client.take(1, after=after)


def test_rows_of_the_stream_equal_those_of_the_other_routes(
    api: ScriptedApi, client: Client
) -> None:
    values = row(3, total_output_value_1min=2**62)
    api.publish(values)
    assert client.take(1) == [Row.of(json.loads(json.dumps(values)))]
    assert client.call("minute", "2026-01-02 03:03") == Row.of(values)
