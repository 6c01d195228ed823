import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from txfeatures.process.logs import configure_logging, get_logger
from txfeatures.process.settings import LogSettings


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_an_event_is_one_json_object_a_line_with_its_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(LogSettings(format="json"), service="dedup")
    get_logger("txfeatures_dedup").info("batch_done", records=3)
    [line] = lines(capsys)
    assert line.pop("timestamp")
    assert line == {
        "event": "batch_done",
        "level": "info",
        "logger": "txfeatures_dedup",
        "records": 3,
        "service": "dedup",
    }


def test_what_libraries_log_comes_out_in_the_same_shape(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(LogSettings(format="json"), service="dedup")
    logging.getLogger("a.library").warning("said %s", "so")
    [line] = lines(capsys)
    assert (line["event"], line["level"], line["service"]) == ("said so", "warning", "dedup")


def test_an_exception_is_logged_within_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="json"), service="dedup")
    try:
        int("milk")
    except ValueError:
        get_logger("x").exception("step_crashed")
    [line] = lines(capsys)
    assert "ValueError: invalid literal" in str(line["exception"])


def test_less_than_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="json", level="warning"), service="dedup")
    get_logger("x").info("quiet")
    get_logger("x").warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


@pytest.mark.parametrize("library", ["httpx", "botocore", "aiokafka", "faust", "mode"])
def test_chatty_libraries_are_heard_from_warning_on(
    capsys: pytest.CaptureFixture[str], library: str
) -> None:
    configure_logging(LogSettings(format="json", level="debug"), service="dedup")
    logging.getLogger(library).info("hum")
    logging.getLogger(library).warning("trouble")
    assert [line["event"] for line in lines(capsys)] == ["trouble"]


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format="text"), service="dedup")
    get_logger("x").info("batch_done", records=3)
    text = capsys.readouterr().err
    assert "batch_done" in text
    assert "records=3" in text
    assert "\x1b" not in text  # no colours where there is no terminal


def test_configuring_twice_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        configure_logging(LogSettings(format="json"), service="dedup")
    get_logger("x").info("once")
    assert len(lines(capsys)) == 1
    assert len(logging.getLogger().handlers) == 1
    assert logging.getLogger().handlers[0].stream is sys.stderr  # type: ignore[attr-defined]
