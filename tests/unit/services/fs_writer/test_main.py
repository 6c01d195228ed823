import pytest

from txfeatures_fs_writer.main import main


def test_a_wrong_setting_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TXF_FS_WRITER_CONCURRENCY", "many")
    assert main() == 1
    assert capsys.readouterr().err.startswith("fs_writer: TXF_FS_WRITER_CONCURRENCY='many'")


def test_an_unknown_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TXF_FS_WRITER_CONCURENCY", "8")
    assert main() == 1
    assert "TXF_FS_WRITER_CONCURENCY is not a setting" in capsys.readouterr().err
