import pytest

from txfeatures.cli.progress import progress_bar


def work() -> None:
    with progress_bar("dataset", "objects") as progress:
        progress(1, 4)


def test_nothing_is_written_where_nobody_looks_on(capsys: pytest.CaptureFixture[str]) -> None:
    work()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_what_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    work()
    out, err = capsys.readouterr()
    assert out == ""
    assert "dataset" in err
    assert "1/4" in err
    assert "objects" in err
