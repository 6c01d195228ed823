import asyncio
from pathlib import Path
from typing import Any, cast

import faust
import pytest
from faust.streams import _current_event
from yarl import URL

from faust_microbatch import App, Batch, Config, create_app
from faust_microbatch.engine.flow import BatchMessage
from faust_microbatch.errors import MicrobatchError
from faust_microbatch.faust.conductor import Conductor
from faust_microbatch.faust.stream import Stream
from faust_microbatch.faust.transport import Transport
from microbatch_support.fakes import Exit, messages


def app(**options: Any) -> App:
    made = create_app(
        Config(group="test", bootstrap_servers="127.0.0.1:1"),
        crash=Exit().crash,
        datadir=Path("unused"),
        **options,
    )
    made.finalize()
    return made


def batch(partition: int = 0) -> Batch:
    return Batch("in", partition, messages(2, partition=partition), start=0)


def working_on(made: App, batch: Batch) -> faust.Event:
    """Let the caller be an agent that works on ``batch``."""
    event = faust.Event(made, None, batch, None, BatchMessage(batch))
    cast("Stream", made.stream([]))._set_current_event(event)
    return event


@pytest.fixture(autouse=True)
def _no_event() -> Any:
    yield
    _current_event.set(None)


def test_faust_gets_the_transports_own_parts() -> None:
    made = app()
    assert isinstance(made.transport, Transport)
    assert isinstance(made.topics, Conductor)
    assert isinstance(made.stream([]), Stream)


def test_any_other_app_is_refused() -> None:
    with pytest.raises(MicrobatchError, match=r"made by microbatch\.create_app"):
        Transport([URL("microbatch://")], faust.App("other"))


@pytest.mark.parametrize("options", [{"concurrency": 2}, {"isolated_partitions": True}])
def test_an_agent_with_several_actors_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(MicrobatchError, match="run more workers"):
        app().agent(**options)


def test_an_agent_that_raises_ends_the_process() -> None:
    made = app()
    exits = Exit()
    made.crash_process = exits.crash

    @made.agent(made.topic("in"))
    async def agent(_: Any) -> None: ...

    with pytest.raises(Exception, match=r"agent .* failed"):
        asyncio.run(made._on_agent_error(agent, ValueError()))
    assert exits.codes == [1]


def test_a_tables_part_writes_its_store_and_the_batchs_outbox() -> None:
    table = app().Table("seen", partitions=2)
    table.renew([0, 1])
    work = batch(partition=1)
    part = table.of(work)
    part.put({b"a": b"1", b"b": b"2"})
    part[b"c"] = b"3"
    part.remove([b"b", b"never there"])
    del part[b"c"]
    part.put({})
    part.remove([])
    assert dict(part) == {b"a": b"1"}
    assert b"a" in part
    assert len(part) == 1
    assert len(table.of(batch(partition=0))) == 0
    assert work.outbox.changes == [
        ("test-seen-changelog", 1, {b"a": b"1", b"b": b"2"}),
        ("test-seen-changelog", 1, {b"c": b"3"}),
        ("test-seen-changelog", 1, {b"b": None, b"never there": None}),
        ("test-seen-changelog", 1, {b"c": None}),
    ]
    with pytest.raises(KeyError):
        del part[b"c"]


def test_fausts_own_table_calls_go_to_the_partition_of_the_batch() -> None:
    made = app()
    table = made.Table("seen", partitions=2)
    table.renew([0, 1])
    work = batch(partition=1)
    event = working_on(made, work)
    table[b"a"] = b"1"
    assert table[b"a"] == b"1"
    assert table.get(b"b") is None
    del table[b"a"]
    assert event.value is work
    assert work.outbox.changes == [
        ("test-seen-changelog", 1, {b"a": b"1"}),
        ("test-seen-changelog", 1, {b"a": None}),
    ]


def test_fausts_own_sends_go_to_the_outbox_with_headers_and_exact_timestamps() -> None:
    async def play() -> None:
        made = app()
        work = batch()
        event = working_on(made, work)
        sent = await made.topic("out").send(
            key=b"k", value=b"v", headers={"a": b"1"}, timestamp=1_700_000_000.123, partition=3
        )
        assert (await sent).partition == 3
        made.topic("out").send_soon(key=b"k", value=None)
        assert event.value is work
        [(topic, partition, [first]), (_, other, [second])] = work.outbox.sends
        assert (topic, partition, other) == ("out", 3, None)
        assert (first.key, first.value, first.headers) == (b"k", b"v", [("a", b"1")])
        assert first.timestamp_ms == 1_700_000_000_123
        assert second.value is None

    asyncio.run(play())


def test_nothing_is_written_outside_of_an_agent() -> None:
    made = app()
    table = made.Table("seen", partitions=1)
    with pytest.raises(RuntimeError, match="while an agent works on a batch"):
        table[b"a"] = b"1"


def test_renewing_drops_what_is_not_kept() -> None:
    made = app()
    small, large = made.Table("small", partitions=1), made.Table("large", partitions=4)
    made.tables.renew([0, 1, 2], kept=set())  # type: ignore[attr-defined]
    kept = large.data.by_number[1]
    restorations = made.tables.renew([3], kept={1})  # type: ignore[attr-defined]
    assert [each.changelog for each in restorations] == [("test-large-changelog", 3)]
    assert large.data.by_number[1] is kept
    assert set(large.data.by_number) == {1, 3}
    assert set(small.data.by_number) == set()


def test_an_agent_finishes_a_batch_by_asking_for_the_next_one_and_in_no_other_way() -> None:
    async def play() -> None:
        made = app()
        topic: Any = made.topic("in").clone(is_iterator=True)
        stream = Stream(topic, app=made)
        exits = Exit()
        made.consumer.engine._crash = exits.crash  # type: ignore[attr-defined]
        engine = made.consumer.engine  # type: ignore[attr-defined]
        finished: list[Batch] = []
        engine._committer = type(
            "Committer", (), {"put": lambda _, batch: finished.append(batch)}
        )()
        engine._flow.open()
        made.flow_control.resume()
        for number in range(2):
            message = BatchMessage(batch(number))
            message.incref()
            engine._flow.admit(message)
            topic.queue.force_put_nowait(faust.Event(made, None, message.batch, None, message))
        seen = []
        async for each in stream:
            seen.append(each.partition)
            assert len(finished) == len(seen) - 1
            if len(seen) == 2:
                break
        assert seen == [0, 1]
        await asyncio.sleep(0.01)
        assert exits.codes == [1]  # the agent left the second batch in the middle

    asyncio.run(play())


def test_the_settings_of_each_client_follow_from_the_config() -> None:
    config = Config(
        group="g",
        bootstrap_servers="b:1",
        instance_id="i",
        max_record_bytes=20_000_000,
        librdkafka={"security.protocol": "ssl"},
    )
    member, reader, producer = config.member(), config.reader(), config.producer("g-i")
    assert member["group.instance.id"] == "i"
    assert member["partition.assignment.strategy"] == "range"
    assert producer["transactional.id"] == "g-i"
    assert producer["message.max.bytes"] == reader["max.partition.fetch.bytes"] == 20_000_000
    for settings in (member, reader, producer, config.client()):
        assert settings["security.protocol"] == "ssl"
        assert settings["bootstrap.servers"] == "b:1"
    for settings in (member, reader):
        assert settings["isolation.level"] == "read_committed"
        assert settings["enable.auto.commit"] is False
    assert "group.instance.id" not in Config(group="g", bootstrap_servers="b:1").member()
