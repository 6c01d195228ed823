import json
from pathlib import Path

import pytest

from deploy.cdk.settings import IMAGES, load
from tests.support.shared_data import REPOSITORY
from txfeatures.domain.errors import SettingsError

EXAMPLE = REPOSITORY / "deploy" / "cdk" / "example.toml"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def written(folder: Path, *, old: str = "", new: str = "") -> Path:
    path = folder / "mine.toml"
    path.write_text(EXAMPLE.read_text().replace(old, new) if old else EXAMPLE.read_text())
    return path


def test_the_example_is_a_stage_with_a_pipeline_that_keeps_its_data() -> None:
    settings = load(EXAMPLE)
    assert settings.name == "txfeatures-production"
    assert settings.bucket == "txfeatures-production-111122223333-eu-west-1"
    assert settings.keep_data
    assert settings.repository is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("budget_usd", "budgit_usd", "budgit_usd"),
        ('"eu-west-1b"', '"eu-north-1b"', "eu-north-1b not in eu-west-1"),
        ('"eu-west-1b"', '"eu-west-1a"', "each must be another"),
        ('["eu-west-1a", "eu-west-1b", "eu-west-1c"]', '["eu-west-1a"]', "zones"),
        ('"eu-west-1b", "eu-west-1c"', '"eu-west-1b"', "a pipeline needs 3, because doctor"),
        ("[studio]", '[studio]\ninstance = "large"', "studio.instance"),
        ("keep_data = true", 'endpoint_networks = ["0.0.0.0/0"]', "the whole internet"),
        ('"111122223333"', '"11112222333"', "account"),
        ("keep_data = true", "keep_data =", "example.toml"),
    ],
)
def test_a_setting_that_is_wrong_is_named(old: str, new: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        load(written(tmp_path, old=old, new=new))
    assert "mine.toml" in str(raised.value)


def test_a_file_that_is_missing_is_named_with_the_example(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml.*example\.toml"):
        load(tmp_path / "none.toml")


def test_digests_come_from_the_file_of_the_pipeline(tmp_path: Path) -> None:
    digests = tmp_path / "digests.json"
    digests.write_text(json.dumps(dict.fromkeys(IMAGES, DIGEST)))
    assert load(EXAMPLE, digests).digests["api"] == DIGEST


def test_a_part_of_the_digests_is_refused(tmp_path: Path) -> None:
    digests = tmp_path / "digests.json"
    digests.write_text(json.dumps({"api": DIGEST}))
    with pytest.raises(SettingsError, match="poller, dedup, aggregator, fs_writer, tools missing"):
        load(EXAMPLE, digests)
