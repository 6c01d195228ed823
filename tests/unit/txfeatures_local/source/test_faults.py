import json
from pathlib import Path

import pytest

from tests.support.shared_data import ERROR_BODIES
from txfeatures.domain.errors import FatalError
from txfeatures_local.source import faults
from txfeatures_local.source.faults import Faults, read_errors, reply, too_many_requests

GOOD = b'{"txs":[{"hash":"ab"}]}'


def test_by_default_nothing_fails() -> None:
    chosen = Faults()
    assert [chosen.next() for _ in range(100)] == [None] * 100


def test_the_script_comes_first_and_in_order() -> None:
    fault = reply(500, b"")
    chosen = Faults(script=[None, fault, None], rate=1.0, kinds=[faults.null_txs])
    assert [chosen.next() for _ in range(4)] == [None, fault, None, faults.null_txs]


def test_the_same_seed_fails_the_same_requests_in_the_same_way() -> None:
    first, second, other = (Faults(rate=0.3, seed=seed) for seed in (1, 1, 2))
    decisions = [first.next() for _ in range(200)]
    assert decisions == [second.next() for _ in range(200)]
    assert decisions != [other.next() for _ in range(200)]
    assert 30 < sum(fault is not None for fault in decisions) < 90
    assert set(decisions) == {None, *faults.IMAGINED}


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(FatalError, match="a share from 0 to 1"):
        Faults(rate=rate)


def test_a_refusal_says_when_to_come_back() -> None:
    answer = too_many_requests("7")(GOOD)
    assert (answer.status, answer.headers) == (429, (("Retry-After", "7"),))


def test_truncated_json_is_no_json() -> None:
    for good in (GOOD, b'{"txs":[]}'):
        with pytest.raises(json.JSONDecodeError):
            json.loads(faults.truncated_json(good).body)


def test_recorded_errors_are_given_as_recorded(tmp_path: Path) -> None:
    path = tmp_path / "errors"
    path.write_text(
        '{"http":429,"ctype":"text/html","body":"<h1>","seen":"2018"}\n\n'
        '{"http":null,"ctype":null,"body":"caf\\u00e9"}\n'
    )
    first, second = (fault(GOOD) for fault in read_errors(path))
    assert (first.status, first.content_type, first.body) == (429, "text/html", b"<h1>")
    assert (second.status, second.content_type, second.body) == (
        403, "text/plain", "café".encode(),
    )  # fmt: skip


def test_a_file_of_recorded_errors_is_read() -> None:
    answers = [fault(GOOD) for fault in read_errors(ERROR_BODIES)]
    assert [answer.status for answer in answers] == [429, 429, 403, 522, 200, 404]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("", "are empty"), ('{"body":"a"}\n{"http":1}', "Line 2 .* is broken"), ("{", "Line 1 .*")],
)
def test_a_wrong_file_of_errors_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "errors"
    path.write_text(content)
    with pytest.raises(FatalError, match=sentence):
        read_errors(path)


def test_a_missing_file_of_errors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="name a file that exists"):
        read_errors(tmp_path / "none")
