import pytest

from txfeatures.domain.errors import SettingsError
from txfeatures.process.settings import load
from txfeatures_fs_writer.settings import Settings


def test_the_defaults_are_valid() -> None:
    settings = load(Settings)
    assert settings.concurrency == 8
    assert settings.dead_letter_limit == 100
    assert settings.archive_cut_s == 300


def test_a_value_from_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_FS_WRITER_ARCHIVE_CUT_S", "600")
    assert load(Settings).archive_cut_s == 600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONCURRENCY", "0"),
        ("MAX_RECORDS", "1001"),
        ("DEAD_LETTER_LIMIT", "0"),
        ("ARCHIVE_CUT_S", "7200"),
        ("ARCHIVE_MAX_ROWS", "0"),
        ("ARCHIVE_MAX_BYTES", "0"),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TXF_FS_WRITER_{name}", value)
    with pytest.raises(SettingsError, match=f"TXF_FS_WRITER_{name}"):
        load(Settings)


def test_a_cut_that_would_span_two_hours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_FS_WRITER_ARCHIVE_CUT_S", "420")
    with pytest.raises(SettingsError, match="must divide an hour"):
        load(Settings)
