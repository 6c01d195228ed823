import threading
from collections.abc import Iterator

from txfeatures.doctor.examination import examine
from txfeatures.doctor.finding import Check, Finding, Verdict, failure, ok, skipped, warning
from txfeatures.domain.errors import FatalError


def check(name: str, verdict: Verdict, *needs: str) -> Check:
    return Check(subject="aws", name=name, judge=lambda: verdict, needs=needs)


def states(*checks: Check) -> dict[str, str]:
    return {found.check: found.state for found in examine(checks)}


def test_a_finding_has_the_subject_the_name_and_the_verdict_of_its_check() -> None:
    assert list(examine([check("clock", ok("right"))])) == [
        Finding(subject="aws", check="clock", state="ok", sentence="right")
    ]


def test_what_depends_on_a_failure_is_skipped_and_names_it() -> None:
    found = list(examine([check("a", failure("no")), check("b", ok(""), "a")]))
    assert found[1].state == "skipped"
    assert found[1].sentence == "it needs `a`, which did not pass"


def test_what_depends_on_a_skipped_check_is_skipped() -> None:
    assert states(check("a", skipped("")), check("b", ok(""), "a"), check("c", ok(""), "b")) == {
        "a": "skipped",
        "b": "skipped",
        "c": "skipped",
    }


def test_a_warning_is_no_hindrance_and_neither_is_a_check_that_was_not_wanted() -> None:
    checks = check("a", warning("")), check("b", ok(""), "a"), check("c", ok(""), "absent")
    assert set(states(*checks).values()) == {"warning", "ok"}


def test_an_error_is_a_failure_in_one_line_and_the_others_go_on() -> None:
    def judge() -> Verdict:
        raise FatalError("first mistake\nsecond mistake")

    broken = Check(subject="aws", name="a", judge=judge)
    found = list(examine([broken, check("b", ok("fine"))]))
    assert [each.state for each in found] == ["failure", "ok"]
    assert found[0].sentence == "first mistake / second mistake"


def test_a_defect_is_a_failure_that_asks_for_a_report() -> None:
    def judge() -> Verdict:
        raise KeyError("gone")

    (found,) = examine([Check(subject="aws", name="a", judge=judge)])
    assert found.state == "failure"
    assert found.sentence == "this check has a defect (KeyError: 'gone'); please report it"


def test_a_check_that_hangs_fails_at_its_deadline() -> None:
    forever = threading.Event()

    def judge() -> Verdict:
        forever.wait()
        return ok("")

    hung = Check(subject="aws", name="a", judge=judge)
    first, second = examine([hung, check("b", ok(""))], deadline_s=0.05)
    forever.set()
    assert first.state == "failure"
    assert first.sentence.startswith("no answer within 0.05 s; ")
    assert second.state == "ok"


def test_a_check_may_take_longer_than_the_others() -> None:
    soon = threading.Event()

    def judge() -> Verdict:
        return ok("") if not soon.wait(0.1) else failure("")

    slow = Check(subject="aws", name="a", judge=judge, deadline_s=20.0)
    assert [found.state for found in examine([slow], deadline_s=0.01)] == ["ok"]


def test_a_check_is_asked_for_when_those_before_are_judged() -> None:
    judged: list[str] = []

    def judge() -> Verdict:
        judged.append("a")
        return ok("")

    def checks() -> Iterator[Check]:
        yield Check(subject="aws", name="a", judge=judge)
        assert judged == ["a"]

    assert len(list(examine(checks()))) == 1
