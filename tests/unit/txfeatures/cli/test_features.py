import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support import oracle
from tests.support.shared_data import RECORDING
from txfeatures.cli.features import features
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import DeclarationError
from txfeatures.domain.features.reading import default_text
from txfeatures.domain.features.schema import schema


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(default_text())
    return path


def run(*arguments: object) -> str:
    answer = CliRunner().invoke(features, [str(each) for each in arguments])
    if answer.exception:
        raise answer.exception
    return answer.output


def test_a_good_file_is_checked_in_one_line(file: Path) -> None:
    assert run("check", file).startswith(f"{file}: 11 features, 17 columns, fingerprint ")


def test_a_mistake_is_printed_with_file_line_and_column(file: Path) -> None:
    file.write_text(default_text().replace("from: vsize", "from: vsiz"))
    with pytest.raises(DeclarationError, match=r"mine.yaml:\d+:11: .* did you mean vsize\?"):
        run("check", file)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="there is no file"):
        run("check", tmp_path / "gone.yaml")


def test_a_declaration_is_tried_on_a_recording_without_any_service(file: Path) -> None:
    lines = run("try", file, "--on", RECORDING, "--minutes", 1000, "--json").splitlines()
    rows = [json.loads(line) for line in lines]
    found = {r["tx_minute"]: (r["total_nb_trx_1min"], r["total_fee_1min"]) for r in rows}
    assert {minute: counts for minute, counts in found.items() if counts[0]} == oracle.minutes(
        RECORDING
    )
    assert "fee_rate_p50_1min" in run("try", file, "--on", RECORDING)


def test_the_schema_is_printed() -> None:
    assert json.loads(run("schema")) == schema()
