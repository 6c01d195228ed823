"""The truth of a world's end against its ledger: nothing lost, nothing counted twice."""

import json
from collections import Counter, defaultdict
from typing import Any

from tests.simulation.pipeline import Pipeline
from tests.support import oracle
from tests.support.declared import FEATURES
from txfeatures.domain.model import Row
from txfeatures.domain.topics import AGGREGATED, DEDUPED, LATE, RAW
from txfeatures.domain.wire import decode_row

QUALITY = {"revision", "is_final", "nb_late_trx_1min", "nb_gaps_1min", "event_time", "tx_minute"}


def check(pipeline: Pipeline) -> None:
    """Compare what came out with the ledger.

    Raises:
        AssertionError: A transaction is lost or counted twice, or a row is wrong.
    """
    broker, ledger = pipeline.world.broker, pipeline.world.ledger
    shown = {e.key.decode() for _, _, e in broker.visible(RAW) if e.key is not None}
    forwarded = Counter(
        entry.key.decode() for _, _, entry in broker.visible(DEDUPED) if entry.key is not None
    )
    assert forwarded == Counter(dict.fromkeys(shown, 1)), "deduped"
    assert not list(broker.visible(LATE)), "late"
    rows = _rows(pipeline)
    last = {minute: found[-1] for minute, found in rows.items()}
    _check_features(last, [ledger[name] for name in shown])
    online = {m: float(values["event_time"]) for m, values in pipeline.store.online.items()}
    assert online == {minute: row["event_time"] for minute, row in last.items()}, "online"
    offline = {(v["tx_minute"], float(v["event_time"])) for v in pipeline.store.offline}
    finals = {
        (m, row["event_time"]) for m, found in rows.items() for row in found if row["is_final"]
    }
    assert offline == finals, "offline"
    archived = Counter(h for body in pipeline.archive.objects.values() for h in json.loads(body))
    assert all(count == 1 for count in archived.values()), "archived twice"
    assert archived.keys() <= shown, "archived from nowhere"


def _rows(pipeline: Pipeline) -> dict[str, list[Row]]:
    """Return the revisions of each minute, in order."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for _, _, entry in pipeline.world.broker.visible(AGGREGATED):
        row = decode_row(entry.value, features=FEATURES)
        rows[str(row["tx_minute"])].append(row)
    for minute, found in rows.items():
        assert [row["revision"] for row in found] == list(range(1, len(found) + 1)), minute
        times = [float(row["event_time"]) for row in found]
        assert times == sorted(set(times)), minute
        finals = [row["is_final"] for row in found]
        assert finals == sorted(finals), f"{minute}: a final row is followed by another kind"
        assert finals[-1], f"{minute} is not final"
    return rows


def _check_features(last: dict[str, Row], transactions: list[dict[str, Any]]) -> None:
    expected = oracle.by_minute(transactions)
    counted = {minute for minute, row in last.items() if row["total_nb_trx_1min"]}
    assert counted == expected.keys(), "minutes"
    for minute, own in expected.items():
        for name, value in oracle.features(own).items():
            if name not in QUALITY:
                assert oracle.is_close(name, last[minute][name], value), (minute, name)
