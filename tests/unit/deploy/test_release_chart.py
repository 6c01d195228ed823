from pathlib import Path

import pytest

from deploy.release import chart
from deploy.release.errors import ReleaseError


def test_images_of_the_release_are_accepted() -> None:
    chart.check_images('image: "r.example/txfeatures-api:1.2.3"\nimage: other:9\n', "1.2.3")


@pytest.mark.parametrize(
    "rendered",
    ["", "image: other:1.2.3", "image: r/txfeatures-api:1.2.3\nimage: txfeatures-tools:1.2.2"],
)
def test_no_image_or_one_of_another_version_is_refused(rendered: str) -> None:
    with pytest.raises(ReleaseError, match=r"images of 1\.2\.3, and names \{"):
        chart.check_images(rendered, "1.2.3")


def test_a_missing_helm_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"no helm at .*helm .*: install it"):
        chart.package(tmp_path / "helm", tmp_path, "1.2.3", tmp_path)
