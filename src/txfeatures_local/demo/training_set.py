"""The demo's last step: a training set of the replay, made by ``txfeatures dataset``."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from txfeatures.cli.dataset import dataset
from txfeatures.domain.features import RECORD_IDENTIFIER, minute_start_s
from txfeatures.domain.model import MINUTE_S, Row


def write_training_set(
    path: Path, rows: Sequence[Row], *, aws_url: str, client: httpx.Client
) -> None:
    """Write the minutes from the first row to the last to ``path``; print file, rows and gaps.

    The offline store is read, in the AWS of the environment.

    Args:
        path: Ends in ``.parquet`` or ``.csv``.
        rows: One or more, in order.
        aws_url: The local AWS, which can write rows that wait for its offline store at once.
        client: Requests that.

    Raises:
        FatalError: The file can't be written.
    """
    client.post(f"{aws_url}/_local/flush").raise_for_status()
    first_s, last_s = (minute_start_s(str(row[RECORD_IDENTIFIER])) for row in (rows[0], rows[-1]))
    dataset(
        out=path,
        start=datetime.fromtimestamp(first_s, UTC),
        end=datetime.fromtimestamp(last_s + MINUTE_S, UTC),
    )
