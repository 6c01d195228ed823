from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from txfeatures.domain.errors import FatalError
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_poller import main
from txfeatures_poller.settings import Settings


def test_the_topics_between_which_keys_keep_their_partition_are_verified(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verified: list[str] = []

    def sink(*_: Any, alike: tuple[str, ...], **__: Any) -> None:
        verified.extend(alike)
        raise FatalError("enough")

    monkeypatch.setattr(main, "KafkaSink", sink)
    settings = Settings(name="p1", url="http://127.0.0.1:1/", spool_dir=tmp_path)
    with ExitStack() as stack, pytest.raises(FatalError, match="enough"):
        main._open(settings, Runtime(metrics=Metrics("poller")), stack)
    assert verified == ["raw", "deduped", "dedup-seen-changelog"]
