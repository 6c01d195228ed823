import socket

import pytest

from services.fs_writer.main import main


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


def test_a_port_in_use_stops_the_start_after_all_else_was_opened(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("TXF_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("TXF_FS_WRITER_HTTP_HOST", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("TXF_FS_WRITER_HTTP_PORT", str(port))
        assert main() == 1
    assert f"fs_writer: port {port} on 127.0.0.1 can't be used" in capfd.readouterr().err
