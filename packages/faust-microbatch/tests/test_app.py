import asyncio
import gc
import threading
from typing import Any

import faust
import pytest
from yarl import URL

from faust_microbatch import App, CrashedError, MicrobatchError, ProcessEffects, own_process
from faust_microbatch.faust.conductor import Conductor
from faust_microbatch.faust.stream import Stream
from faust_microbatch.faust.transport import Transport
from microbatch_support.apps import an_app


@pytest.fixture
def threshold() -> Any:
    before = gc.get_threshold()
    yield before[0]
    gc.set_threshold(*before)


def first_start(app: App) -> None:
    asyncio.run(app.on_first_start())


def test_faust_gets_the_transports_own_parts() -> None:
    made = an_app()
    assert isinstance(made.transport, Transport)
    assert isinstance(made.topics, Conductor)
    assert isinstance(made.stream([]), Stream)


def test_any_other_app_is_refused() -> None:
    with pytest.raises(MicrobatchError, match=r"made by faust_microbatch\.create_app"):
        Transport([URL("microbatch://")], faust.App("other"))


@pytest.mark.parametrize("options", [{"concurrency": 2}, {"isolated_partitions": True}])
def test_an_agent_with_several_actors_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(MicrobatchError, match="run more workers"):
        an_app().agent(**options)


def test_an_app_leaves_the_process_alone_by_default(threshold: int) -> None:
    first_start(an_app())
    assert gc.get_threshold()[0] == threshold


def test_an_app_in_a_process_of_its_own_tunes_the_collector(threshold: int) -> None:
    first_start(an_app(effects=own_process()))
    assert gc.get_threshold()[0] == 50_000 != threshold


def fail_from_a_thread(app: App) -> CrashedError:
    """Let a thread of the running app crash; return the error it gets."""
    errors: list[CrashedError] = []

    def fail() -> None:
        try:
            app.crash_worker("the disk is on fire", ValueError("hot"))
        except CrashedError as error:
            errors.append(error)

    async def play() -> None:
        await app.on_first_start()
        thread = threading.Thread(target=fail)
        thread.start()
        await asyncio.to_thread(thread.join)
        await asyncio.sleep(0.01)

    asyncio.run(play())
    [error] = errors
    return error


def test_a_crash_stops_the_app_with_its_reason_and_leaves_the_process_alive() -> None:
    app = an_app()
    error = fail_from_a_thread(app)
    assert app.crashed
    assert app.crash_reason is error
    assert str(error) == "the disk is on fire"
    assert isinstance(error.__cause__, ValueError)


def test_a_crash_in_a_process_of_its_own_ends_it_at_once_with_code_1(threshold: int) -> None:
    codes: list[int] = []
    app = an_app(effects=ProcessEffects(exit_process=codes.append))
    fail_from_a_thread(app)
    assert codes == [1]
    assert not app.crashed  # nothing of the app runs on


def test_an_agent_that_raises_crashes_the_worker() -> None:
    codes: list[int] = []
    made = an_app(effects=ProcessEffects(exit_process=codes.append))

    @made.agent(made.topic("in"))
    async def agent(_: Any) -> None: ...

    with pytest.raises(CrashedError, match=r"agent .* failed"):
        asyncio.run(made._on_agent_error(agent, ValueError()))
    assert codes == [1]
