import asyncio

from microbatch_support.apps import a_batch, agent_at_work, an_app


def test_fausts_own_sends_go_to_the_outbox_with_headers_and_exact_timestamps() -> None:
    async def play() -> None:
        made, work = an_app(), a_batch()
        with agent_at_work(made, work):
            sent = await made.topic("out").send(
                key=b"k",
                value=b"v",
                headers={"a": b"1"},
                timestamp=1_700_000_000.123,
                partition=3,
            )
            assert (await sent).partition == 3
            made.topic("out").send_soon(key=b"k", value=None)
        [(topic, partition, [first]), (_, other, [second])] = work.outbox.sends
        assert (topic, partition, other) == ("out", 3, None)
        assert (first.key, first.value, first.headers) == (b"k", b"v", [("a", b"1")])
        assert first.timestamp_ms == 1_700_000_000_123
        assert second.value is None

    asyncio.run(play())
