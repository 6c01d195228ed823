import json

from txfeatures.doctor.finding import Finding, State
from txfeatures.doctor.view import CHECK_WIDTH, WORD_WIDTH, as_json, sentence, summary

LONG = "a sentence " * 20 + "with run `txfeatures-bootstrap`"


def finding(state: State, text: str = "why") -> Finding:
    return Finding(subject="aws", check="clock", state=state, sentence=text)


def test_a_sentence_stays_in_its_column_of_a_terminal() -> None:
    lines = sentence(finding("ok", LONG), 100).splitlines()
    before = 2 + WORD_WIDTH + CHECK_WIDTH
    assert len(lines) > 1
    assert all(line.startswith(" " * before) for line in lines[1:])
    assert max(len(line) for line in lines[1:]) <= 100
    assert " ".join(line.strip() for line in lines) == LONG


def test_without_a_terminal_a_sentence_is_one_line() -> None:
    assert sentence(finding("ok", LONG), None) == LONG


def test_a_narrow_terminal_still_has_words() -> None:
    assert "sentence" in sentence(finding("ok", LONG), 10)


def test_a_program_reads_the_parts_of_a_finding() -> None:
    assert json.loads(as_json(finding("failure"))) == {
        "subject": "aws",
        "check": "clock",
        "state": "failure",
        "sentence": "why",
    }


def test_the_states_are_counted() -> None:
    found = [finding("ok"), finding("ok"), finding("failure"), finding("skipped")]
    assert summary(found) == "2 ok, 0 warnings, 1 failures, 1 skipped"
