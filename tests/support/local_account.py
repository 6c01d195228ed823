"""A local AWS as the account of the services: where it is, what is in it, and its bad days."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import pytest
from featurestore_local import LocalAws

from tests.support.declared import FEATURES
from txfeatures.bootstrap.bucket import ensure_bucket
from txfeatures.bootstrap.schema import request
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings


@contextmanager
def entered(local: LocalAws) -> Iterator[pytest.MonkeyPatch]:
    """Let the environment name the local AWS while the context lasts."""
    with pytest.MonkeyPatch.context() as environ:
        for name, value in (
            ("AWS_ENDPOINT_URL", local.endpoint_url),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_DEFAULT_REGION", local.region),
        ):
            environ.setenv(name, value)
        aws._session.cache_clear()
        yield environ
    aws._session.cache_clear()


def make_bucket(settings: AwsSettings) -> None:
    ensure_bucket(aws.s3(settings), settings.bucket)


def make_group(settings: AwsSettings, **changes: Any) -> None:
    """Make the feature group that ``txfeatures bootstrap`` makes, but for ``changes``.

    A parameter that is changed to None is left out.
    """
    parameters: dict[str, Any] = {**request(settings, features=FEATURES), **changes}
    given = {name: value for name, value in parameters.items() if value is not None}
    aws.sagemaker(settings).create_feature_group(**given)


class Controls:
    """The paths of a local AWS that AWS lacks."""

    def __init__(self, endpoint_url: str) -> None:
        self._url = f"{endpoint_url}/_local"

    def order(self, *faults: dict[str, Any]) -> None:
        """Let the next calls fail."""
        self._ask("POST", "faults", faults)

    def forget(self) -> None:
        """Forget what was ordered, and the counts."""
        self._ask("DELETE", "faults")

    def calls(self, operation: str) -> int:
        """Return how many calls there were since the last ``forget``."""
        return int(self._ask("GET", "counts").get(operation, 0))

    def flush(self) -> None:
        """Write the offline rows now."""
        self._ask("POST", "flush")

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        body = msgspec.json.encode(content) if method == "POST" else None
        asked = Request(f"{self._url}/{path}", body, method=method)
        with urlopen(asked, timeout=60) as answer:
            return msgspec.json.decode(answer.read())
