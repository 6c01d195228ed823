from dataclasses import replace
from pathlib import Path

import pytest

from txfeatures.domain.errors import FatalError
from txfeatures_local.demo.plan import (
    Addresses,
    Plan,
    Source,
    Transport,
    Until,
    environment,
    without_proxy,
)
from txfeatures_local.source.replay_clock import ClockMode

LOCAL = Addresses(kafka="k:1", aws="http://a", source="http://s/feed", api="http://api")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "r.ndjson"
    path.touch()
    return path


def test_a_replay_until_drained_with_an_export_is_fine(recording: Path, tmp_path: Path) -> None:
    Plan(
        source=Source.REPLAY,
        file=recording,
        until=Until.DRAINED,
        export=tmp_path / "rows",
        dataset=tmp_path / "set.csv",
    ).check()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"source": Source.REPLAY}, "a replay needs a recording"),
        ({"source": Source.LIVE, "file": Path("x")}, "a recording is for SOURCE=replay"),
        ({"source": Source.REPLAY, "file": Path("/nowhere/x")}, "there is no recording"),
        ({"until": Until.DRAINED}, "only a replay ends"),
        ({"export": Path("rows")}, "EXPORT .* needs UNTIL=drained"),
        ({"dataset": Path("set.parquet")}, "DATASET .* needs UNTIL=drained"),
    ],
)
def test_what_cannot_be_done_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(FatalError, match=sentence):
        Plan(**options).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "name", "sentence"),
    [
        ("export", "nowhere/rows", "there is no folder for"),
        ("dataset", "nowhere/set.parquet", "there is no folder for"),
        ("dataset", "set.json", "DATASET must end in .parquet or .csv"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(
    recording: Path, option: str, name: str, sentence: str
) -> None:
    plan = Plan(source=Source.REPLAY, file=recording, until=Until.DRAINED)
    with pytest.raises(FatalError, match=sentence):
        replace(plan, **{option: recording.parent / name}).check()  # type: ignore[arg-type]


def test_a_live_source_keeps_the_pollers_own_address_and_clock(tmp_path: Path) -> None:
    addresses = Addresses(kafka="k:1", aws="http://a", source=None, api="http://api")
    told = environment(Plan(source=Source.LIVE), addresses, tmp_path)
    assert "TXF_POLLER_URL" not in told
    assert "TXF_POLLER_FEED_CLOCK" not in told


def test_a_replay_by_polls_polls_without_a_pause_of_a_second(
    recording: Path, tmp_path: Path
) -> None:
    plan = Plan(source=Source.REPLAY, file=recording, clock=ClockMode.POLL, pollers=2)
    told = environment(plan, LOCAL, tmp_path)
    assert told["TXF_POLLER_URL"] == "http://s/feed"
    assert told["TXF_POLLER_FEED_CLOCK"] == "response_date"
    assert float(told["TXF_POLLER_INTERVAL_S"]) < 0.1


@pytest.mark.parametrize(("speed", "interval_s"), [(0.5, 2.0), (1.0, 1.0), (10.0, 0.1)])
def test_a_replay_in_time_is_polled_once_for_each_of_its_seconds(
    recording: Path, tmp_path: Path, speed: float, interval_s: float
) -> None:
    plan = Plan(source=Source.REPLAY, file=recording, clock=ClockMode.REAL, speed=speed)
    assert float(environment(plan, LOCAL, tmp_path)["TXF_POLLER_INTERVAL_S"]) == interval_s


def test_nothing_of_the_users_account_reaches_the_demo(tmp_path: Path) -> None:
    told = environment(Plan(), LOCAL, tmp_path)
    assert told["AWS_CONFIG_FILE"] == told["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
    assert told["AWS_ENDPOINT_URL"] == "http://a"


def test_the_sources_process_is_told_what_was_asked_for(recording: Path) -> None:
    plan = Plan(source=Source.REPLAY, file=recording, speed=10.0, errors=recording, error_rate=0.1)
    assert plan.source_arguments == [
        *("--file", str(recording), "--clock", "real", "--speed", "10.0"),
        *("--error-rate", "0.1", "--errors", str(recording)),
    ]
    assert Plan(source=Source.SIMULATION).source_arguments == ["--simulate", "--error-rate", "0.0"]


@pytest.mark.parametrize(
    ("inherited", "past"),
    [
        ({}, "127.0.0.1"),
        ({"NO_PROXY": "a.b"}, "a.b,127.0.0.1"),
        ({"NO_PROXY": "a.b", "no_proxy": "c.d"}, "c.d,127.0.0.1"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_the_stacks_own_addresses_are_reached_past_any_proxy(
    inherited: dict[str, str], past: str
) -> None:
    assert without_proxy(inherited) == {"NO_PROXY": past, "no_proxy": past}


def test_a_websocket_pushes_beside_the_polls_and_drops_as_often_as_polls_fail(
    recording: Path, tmp_path: Path
) -> None:
    addresses = replace(LOCAL, websocket="ws://s/inv")
    plan = Plan(
        source=Source.REPLAY,
        transport=Transport.WEBSOCKET,
        file=recording,
        clock=ClockMode.POLL,
        error_rate=0.1,
    )
    told = environment(plan, addresses, tmp_path)
    assert told["TXF_POLLER_SOURCE"] == "websocket"
    assert told["TXF_POLLER_WEBSOCKET_URL"] == "ws://s/inv"
    assert told["TXF_POLLER_WEBSOCKET_CHECK_S"] == "0.0"
    assert told["TXF_POLLER_FEED_CLOCK"] == "response_date"
    assert plan.source_arguments[-4:] == ["--error-rate", "0.1", "--drop-rate", "0.1"]


def test_a_pushed_simulation_is_timed_by_the_time_of_day(tmp_path: Path) -> None:
    plan = Plan(source=Source.SIMULATION, transport=Transport.WEBSOCKET)
    assert environment(plan, LOCAL, tmp_path)["TXF_POLLER_FEED_CLOCK"] == "poll"
