import pytest

from txfeatures_api.main import main


def test_a_wrong_setting_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TXF_API_LOOKBACK_MINUTES", "0")
    assert main() == 1
    message = capsys.readouterr().err
    assert message.startswith("api: TXF_API_LOOKBACK_MINUTES=")
    assert message.count("\n") == 1
