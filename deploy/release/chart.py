"""The chart of a release, packaged by helm, and rendered to compare the tags of its images."""

import re
import subprocess
from pathlib import Path

from deploy.release.errors import ReleaseError

CHART = "deploy/helm/txfeatures"
_OWN_IMAGE = re.compile(r"image: \"?(\S*txfeatures-[a-z-]+):([^\s\"]+)")


def package(helm: Path, tree: Path, version: str, target: Path) -> Path:
    """Package the chart of a tree; return the archive.

    Raises:
        ReleaseError: Helm refuses it, or it names images of another version.
    """
    values = ["-f", str(tree / CHART / "values-local.yaml")]
    rendered = _helm(helm, "template", "txfeatures", str(tree / CHART), *values)
    check_images(rendered, version)
    _helm(helm, "package", str(tree / CHART), "--destination", str(target))
    return target / f"txfeatures-{version}.tgz"


def check_images(rendered: str, version: str) -> None:
    """Compare the tags of our images in rendered objects with a version.

    Raises:
        ReleaseError: There is none, or one differs.
    """
    images = dict(_OWN_IMAGE.findall(rendered))
    if not images or set(images.values()) != {version}:
        raise ReleaseError(f"the chart should name images of {version}, and names {images}")


def _helm(helm: Path, *arguments: str) -> str:
    try:
        result = subprocess.run(  # noqa: S603
            [str(helm), *arguments], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ReleaseError(f"no helm at {helm} ({error.strerror}): install it") from error
    if result.returncode != 0:
        raise ReleaseError(f"helm {arguments[0]} fails: {result.stderr.strip()}")
    return result.stdout
