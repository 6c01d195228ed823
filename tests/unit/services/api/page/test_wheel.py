import subprocess
import sys
import zipfile
from pathlib import Path

from txfeatures_api.page import assets

REPOSITORY = Path(__file__).resolve().parents[5]


def test_the_wheel_holds_every_file_of_the_page(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    folder = "txfeatures_api/page/web/"
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix(folder) for name in archive.namelist() if folder in name}
    assert packed == {assets.PAGE, *assets.load().files}
