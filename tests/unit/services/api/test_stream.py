import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Row
from txfeatures_api import logic
from txfeatures_api.mailbox import MOST_MINUTES, Mailbox
from txfeatures_api.served import ServedRow
from txfeatures_api.stream import RETRY, Hub, events

MakeRow = Callable[..., Row]

MINUTE_S = minute_start_s("2024-10-19 10:49:00")


def test_a_slow_client_gets_the_newest_row_of_each_minute(make_row: MakeRow) -> None:
    mailbox = Mailbox()
    other = make_row("2024-10-19 10:48:00")
    rows = [make_row(revision=1), other, make_row(revision=3), make_row(revision=2)]
    assert mailbox.put(map(ServedRow, rows)) == 1
    assert [row.row for row in mailbox.take()] == [other, make_row(revision=3)]
    assert mailbox.take() == []


def test_a_revision_is_sent_once_and_none_before_it_afterwards(make_row: MakeRow) -> None:
    mailbox = Mailbox()
    mailbox.put([ServedRow(make_row(revision=2))])
    assert len(mailbox.take()) == 1
    mailbox.put([ServedRow(make_row(revision=2)), ServedRow(make_row(revision=1))])
    assert mailbox.take() == []


def test_a_mailbox_is_bounded_and_drops_what_has_waited_longest(make_row: MakeRow) -> None:
    mailbox = Mailbox()
    minutes = [MINUTE_S + 60 * number for number in range(MOST_MINUTES + 3)]
    assert mailbox.put(ServedRow(make_row(minute_name(each))) for each in minutes) == 3
    assert [row.minute_s for row in mailbox.take()] == minutes[3:]


def test_a_resumed_client_gets_what_became_known_after_its_last_row(make_row: MakeRow) -> None:
    before = make_row("2024-10-19 10:47:00", is_final=True, known_after_s=130)
    seen = make_row("2024-10-19 10:49:00", known_after_s=30)
    final = make_row("2024-10-19 10:48:00", is_final=True, revision=9, known_after_s=125)
    newer = make_row("2024-10-19 10:50:00", known_after_s=20)
    rows = [before, final, seen, newer]
    assert logic.missed(rows, minute_s=MINUTE_S, revision=1) == [final, newer]


def test_a_client_whose_row_was_replaced_misses_nothing(make_row: MakeRow) -> None:
    final = make_row("2024-10-19 10:48:00", is_final=True, revision=9, known_after_s=75)
    replaced = make_row("2024-10-19 10:49:00", revision=4, known_after_s=40)
    missed = logic.missed([final, replaced], minute_s=MINUTE_S, revision=1)
    assert missed == [final, replaced]


def test_the_hub_refuses_more_streams_than_its_limits() -> None:
    async def main() -> None:
        hub = Hub(most=2, most_per_host=1)
        with hub.client("a"):
            refused = hub.refusal("a")
            assert refused is not None
            assert refused[0] == HTTPStatus.TOO_MANY_REQUESTS
            with hub.client("b"):
                full = hub.refusal("c")
                assert full is not None
                assert full[0] == HTTPStatus.SERVICE_UNAVAILABLE
        assert hub.refusal("a") is None

    asyncio.run(main())


def test_a_stream_sends_what_is_published_and_ends_with_the_hub(make_row: MakeRow) -> None:
    async def main() -> list[bytes]:
        hub = Hub(most=1, most_per_host=1)
        with hub.client("a") as client:
            stream: AsyncIterator[bytes] = events(
                hub,
                client,
                [ServedRow(make_row())],
                fields=("tx_minute", "revision"),
                now_ms=lambda: MINUTE_S * 1000,
            )
            parts = [await anext(stream), await anext(stream)]
            await asyncio.to_thread(hub.publish, [ServedRow(make_row(revision=2))])
            parts.append(await anext(stream))
            hub.close()
            return parts + [part async for part in stream]

    retry, first, second = asyncio.run(main())
    assert retry == RETRY
    assert first.decode().splitlines()[:2] == ["event: row", "id: 2024-10-19T10:49:00Z/1"]
    assert second.decode().splitlines()[1:] == [
        "id: 2024-10-19T10:49:00Z/2",
        'data: {"tx_minute":"2024-10-19 10:49:00","revision":2,"as_of":"2024-10-19T10:49:00.000Z"}',
        "",
    ]
