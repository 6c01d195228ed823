"""The notebooks, run as they are against the local AWS."""

import itertools
import math
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.notebooks.conftest import Replay
from tests.notebooks.running import execute
from tests.support.declared import FEATURES
from txfeatures.domain.features import minute_name
from txfeatures.history.dataset import IS_GAP

pytestmark = pytest.mark.integration

ERRORS = "errors.iloc[:, 0].to_dict()"
LAGS = 3


def test_the_newest_features_are_those_of_the_online_store(replay: Replay, tmp_path: Path) -> None:
    said = "{'minutes': rows.index.tolist(), 'boto3': by_boto3, 'sdk': by_sdk}"
    found = execute(
        "1_newest_features.ipynb", said, folder=tmp_path, environment=replay.environment
    )
    assert found.said["minutes"] == [row["tx_minute"] for row in replay.rows]
    newest = replay.rows[-1]
    assert found.said["sdk"] == found.said["boto3"]
    assert {name: type(newest[name])(text) for name, text in found.said["boto3"].items()} == newest
    assert found.images == 1


def test_the_offline_store_has_every_final_row_once(replay: Replay, tmp_path: Path) -> None:
    said = (
        "{'rows': rows.drop(columns=['write_time', 'api_invocation_time', 'is_deleted'])"
        ".reset_index().astype({'tx_minute': str}).to_dict('records'), "
        "'revisions': revisions.to_dict('list')}"
    )
    found = execute("2_offline_store.ipynb", said, folder=tmp_path, environment=replay.environment)
    assert found.said["rows"] == replay.rows
    revisions = found.said["revisions"]
    assert revisions["tx_minute"] == [row["tx_minute"] for row in replay.rows]
    assert set(revisions["final_revisions"]) == {1}
    assert all(60 <= after_s < 300 for after_s in revisions["known_after_s"])
    assert found.images == 1


def test_the_model_learns_from_the_demos_training_set_and_from_the_offline_store_alike(
    replay: Replay, tmp_path: Path
) -> None:
    notebook, said = "3_fee_model.ipynb", f"[len(observed), len(pairs), len(judge), {ERRORS}]"
    of_the_demo = execute(
        notebook,
        said,
        folder=tmp_path,
        environment={"TXFEATURES_DATASET": str(replay.training_set)},
    )
    observed, pairs, judged, errors = of_the_demo.said
    assert (observed, pairs, judged) == (len(replay.rows), len(replay.rows) - LAGS, 4)
    assert sorted(errors) == ["persistence", "ridge"]
    assert all(0 < error < math.inf for error in errors.values())
    asked = [float(row["fee_rate_p50_1min"]) for row in replay.rows[-5:]]
    moved = [abs(after - before) for before, after in itertools.pairwise(asked)]
    assert errors["persistence"] == pytest.approx(sum(moved) / len(moved))
    assert of_the_demo.images == 2
    offline = execute(notebook, said, folder=tmp_path, environment=replay.environment)
    assert offline.said == of_the_demo.said


@pytest.mark.usefixtures("installed")
def test_the_model_beats_the_baseline_where_there_is_something_to_learn_and_leaves_gaps_out(
    tmp_path: Path,
) -> None:
    minutes, gap, empty = 200, 50, 100
    rng = random.Random(0)
    counts = [rng.randint(100, 900) for _ in range(minutes)]
    rows: list[dict[str, object]] = [
        {"total_nb_trx_1min": count, "fee_rate_p50_1min": before / 20}
        for before, count in zip([500, *counts], counts, strict=False)
    ]
    rows[gap] = {}
    rows[empty] = {"total_nb_trx_1min": 0, "fee_rate_p50_1min": 0.0}
    names = [feature.name for feature in FEATURES]
    table = [
        {name: row.get(name, 1 if row else None) for name in names}
        | {"tx_minute": minute_name(60 * number), IS_GAP: not row}
        for number, row in enumerate(rows)
    ]
    path = tmp_path / "set.parquet"
    pq.write_table(pa.Table.from_pylist(table), path)
    found = execute(
        "3_fee_model.ipynb",
        f"[len(observed), len(pairs), {ERRORS}]",
        folder=tmp_path,
        environment={"TXFEATURES_DATASET": str(path)},
    )
    observed, pairs, errors = found.said
    assert observed == minutes - 1
    assert pairs == minutes - LAGS - (1 + LAGS) - 1  # the gap and those after it; the empty one
    assert errors["ridge"] < 0.5 * errors["persistence"]
