import logging
from collections.abc import Iterator, Sequence

import pytest
from typer.testing import CliRunner

from tests.unit.txfeatures.dead_letters.letters import TRANSACTION, from_poller, from_service
from txfeatures.cli import dlq
from txfeatures.domain.model import Record

RECORDS = [from_poller(TRANSACTION, offset=4), from_poller(b"\xff"), from_service("deduped", b"{")]


class Snapshot:
    def __init__(
        self, _: object, topic: str, *, partition: int | None = None, first: int = 0
    ) -> None:
        self._records = [r for r in RECORDS if r.topic == topic and r.offset >= first]
        self.size = len(self._records)

    def read(self, **_: object) -> Iterator[Record]:
        return iter(self._records)


@pytest.fixture(autouse=True)
def topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txfeatures.kafka.snapshot.Snapshot", Snapshot)
    monkeypatch.setattr(dlq, "configure_logging", lambda *_, **__: None)
    monkeypatch.setattr(logging.getLogger("librdkafka"), "level", logging.NOTSET)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(dlq.dlq, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_is_in_the_order_of_time_and_ends_with_the_counts() -> None:
    lines = run("list").splitlines()
    assert [line.split()[1:4] for line in lines[1:4]] == [
        ["deduped.dlq", "3", "5"],
        ["raw.dlq", "2", "0"],
        ["raw.dlq", "2", "4"],
    ]
    assert lines[4:6] == ["", "topic        reason    waiting  replayed"]


def test_a_list_that_is_cut_names_the_way_to_the_rest() -> None:
    assert "The newest 1 of 3; --limit lists more." in run("list", "--limit", "1")


def test_nothing_found_is_one_sentence_and_no_json() -> None:
    assert run("list", "--reason", "other") == "There are no such dead letters.\n"
    assert run("list", "--reason", "other", "--json") == ""


def test_a_value_is_shown_as_text_or_dumped_or_raw() -> None:
    assert TRANSACTION.decode() in run("show", "raw.dlq", "2", "4")
    assert "00000000  ff" in run("show", "raw.dlq", "2", "0")
    raw = CliRunner().invoke(dlq.dlq, ["show", "raw.dlq", "2", "0", "--raw"])
    assert raw.stdout_bytes == b"\xff"


def test_a_dry_run_sends_nothing_and_asks_nothing() -> None:
    left = "2 left: this release can't read them (not_json 2)"
    assert run("replay", "--dry-run") == f"1 to raw would be sent; {left}.\n"


def test_a_replay_that_is_not_confirmed_sends_nothing() -> None:
    result = CliRunner().invoke(dlq.dlq, ["replay"], input="n\n")
    assert result.exit_code == 1
    assert "1 to raw to be sent" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--topic", "raw"),
        ("show", "raw", "0", "1"),
        ("list", "--offset", "1"),
        ("list", "--offset", "1", "--partition", "0"),
        ("replay", "--offset", "1", "--topic", "raw.dlq"),
        ("replay", "--rate", "0"),
        ("list", "--since", "yesterday"),
        ("list", "--xml"),
    ],
    ids=" ".join,
)
def test_bad_arguments_are_refused(arguments: Sequence[str]) -> None:
    assert CliRunner().invoke(dlq.dlq, arguments).exit_code == 2
