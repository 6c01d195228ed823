"""The invariants I1 to I10: what the ledger says against what is left [pure].

They prove the absence of losses and doubles in the runs that were checked, not in general.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import accumulate, pairwise

from tests.chaos.history import History, Place, Row
from tests.chaos.observations import ApiAnswer, Sample
from tests.chaos.verdicts import Truth, Verdict, compare, set_hash
from txfeatures.domain.features import minute_name


def check(
    truth: Truth, history: History, samples: Sequence[Sample], answers: Sequence[ApiAnswer]
) -> list[Verdict]:
    """Return the verdicts on all invariants."""
    return [
        nothing_lost(truth, history),
        nothing_doubled(truth, history),
        unknown_at_most_once(truth, history),
        revisions_rise(history),
        archive_holds_each_once(history),
        stores_hold_the_newest(history),
        offsets_follow(history, samples),
        api_never_goes_back(answers),
        poison_is_kept(truth, history),
        audit_agrees(truth, history),
    ]


def nothing_lost(truth: Truth, history: History) -> Verdict:
    verdict = Verdict(
        name="I1",
        promise="every transaction that was shown is in deduped, or set aside with a reason",
        checked=len(truth.good) + len(truth.future),
    )
    there = set(history.deduped.values())
    verdict.found += [f"{tx_hash} is lost" for tx_hash in sorted(truth.good - there)]
    verdict.found += [
        f"{tx_hash}, of next year, is not set aside"
        for tx_hash in sorted(truth.future - set(history.late))
    ]
    strange = there - truth.good - truth.future - truth.unshown
    verdict.found += [f"{tx_hash} was never offered" for tx_hash in sorted(strange)]
    return verdict


def nothing_doubled(truth: Truth, history: History) -> Verdict:
    verdict = Verdict(
        name="I2",
        promise="the last row of each minute has the ledger's count and set, none counted twice",
        checked=len(truth.minutes),
    )
    counts = Counter(history.deduped.values())
    verdict.found += [f"{i} is in deduped {n} times" for i, n in counts.items() if n > 1]
    last = {name: rows[-1].total for name, rows in _revisions(history).items()}
    difference = compare(truth.minutes, last)
    by_name = {minute_name(minute): total for minute, total in truth.minutes.items()}
    verdict.found += [
        f"{name} is {last.get(name)}, not {by_name.get(name)}" for name in difference.minutes
    ]
    return verdict


def unknown_at_most_once(truth: Truth, history: History) -> Verdict:
    verdict = Verdict(
        name="I3",
        promise="a transaction whose showing is unknown counts once at most, and if raw has it",
        checked=1 + len(truth.unshown),
    )
    counts = Counter(history.deduped.values())
    in_raw = set(history.raw.values())
    for tx_hash in sorted(truth.unshown):
        if counts[tx_hash] != (tx_hash in in_raw):
            verdict.found.append(f"{tx_hash} counts {counts[tx_hash]} times")
    return verdict


def revisions_rise(history: History) -> Verdict:
    verdict = Verdict(
        name="I4",
        promise="revisions rise one by one, and after a final row only counted corrections come",
        checked=len(history.rows),
    )
    for name, rows in _revisions(history).items():
        for before, after in pairwise(rows):
            if after.revision != before.revision + 1:
                verdict.found.append(f"{name}: {after.revision} follows {before.revision}")
            if before.is_final and not (after.is_final and after.late > before.late):
                verdict.found.append(f"{name}: {after.revision} changes a final row")
        if not rows[-1].is_final:
            verdict.found.append(f"{name} never became final")
    return verdict


def archive_holds_each_once(history: History) -> Verdict:
    verdict = Verdict(
        name="I5",
        promise="the archive holds each record of deduped once",
        checked=len(history.archived),
    )
    places = Counter(row.place for row in history.archived)
    verdict.found += [f"{place} is there {n} times" for place, n in places.items() if n > 1]
    verdict.found += [f"{place} is missing" for place in history.deduped.keys() - places.keys()]
    verdict.found += [
        f"{row.place} holds {row.id}"
        for row in history.archived
        if history.deduped.get(row.place) != row.id
    ]
    if set_hash(row.id for row in history.archived) != set_hash(history.deduped.values()):
        verdict.found.append("the set hashes of archive and deduped differ")
    return verdict


def stores_hold_the_newest(history: History) -> Verdict:
    verdict = Verdict(
        name="I6",
        promise="the online store holds the highest revision, the offline store each final one",
        checked=len(history.online),
    )
    revisions = _revisions(history)
    online = {row.minute: (row.revision, row.total) for row in history.online}
    wanted = {name: (rows[-1].revision, rows[-1].total) for name, rows in revisions.items()}
    verdict.found += [
        f"{name} is {online.get(name)} online, not {wanted.get(name)}"
        for name in sorted(online.keys() | wanted.keys())
        if online.get(name) != wanted.get(name)
    ]
    finals = {
        (name, row.revision): row.total
        for name, rows in revisions.items()
        for row in rows
        if row.is_final
    }
    offline = {(row.minute, row.revision): row.total for row in history.offline}
    verdict.found += [
        f"{key} is {offline.get(key)} offline, not {finals.get(key)}"
        for key in sorted(offline.keys() | finals.keys())
        if offline.get(key) != finals.get(key)
    ]
    return verdict


def offsets_follow(history: History, samples: Sequence[Sample]) -> Verdict:
    verdict = Verdict(
        name="I7",
        promise="no offset is committed before what it caused is durable downstream",
        checked=len(samples),
    )
    needed = _needed(history)
    online = _reached(history)
    for number, sample in enumerate(samples):
        for partition, offset in sample.dedup.items():
            offsets, ends = needed.get(partition, ([], []))
            position = bisect_left(offsets, offset)
            if position and ends[position - 1] >= sample.deduped_ends.get(partition, 0):
                verdict.found.append(f"sample {number}: dedup {partition}/{offset} is ahead")
        for name, there in sample.revisions.items():
            partition, offsets, revisions = online.get(name, (0, [], []))
            position = bisect_left(offsets, sample.features.get(partition, 0))
            if position and revisions[position - 1] > there:
                verdict.found.append(f"sample {number}: {name} is behind in the online store")
        for partition, offset in (sample.archive or {}).items():
            before = {o for o in history.objects if o[0] == partition and o[1] < offset}
            if before - sample.objects:
                verdict.found.append(f"sample {number}: archive {partition}/{offset} is ahead")
    return verdict


def api_never_goes_back(answers: Sequence[ApiAnswer]) -> Verdict:
    good = [(each.minute, each.revision) for each in answers if each.status == 200]
    verdict = Verdict(
        name="I8",
        promise="the api's latest row never goes back, and a failure is a 503 or an early 404",
        checked=len(good),
    )
    verdict.found += [f"{b} after {a}" for a, b in pairwise(good) if b < a]
    verdict.found += [
        f"status {each.status}" for each in answers if each.status not in (200, 404, 503)
    ]
    return verdict


def poison_is_kept(truth: Truth, history: History) -> Verdict:
    verdict = Verdict(
        name="I9",
        promise="what can't be read is a dead letter, byte for byte, with its origin",
        checked=len(truth.poison),
    )
    there = {letter.digest for letter in history.letters}
    verdict.found += [f"{each} is no dead letter" for each in sorted(truth.poison - there)]
    verdict.found += [f"{each} is no poison" for each in sorted(there - truth.poison - truth.cut)]
    verdict.found += [
        f"{letter.origin} holds other bytes"
        for letter in history.letters
        if letter.origin and history.odd.get(letter.origin) != letter.digest
    ]
    return verdict


def audit_agrees(truth: Truth, history: History) -> Verdict:
    verdict = Verdict(
        name="I10",
        promise="the product's audit finds nothing, and its ledger is the checker's",
        checked=len(history.stages),
    )
    code, words = history.audit
    if code:
        verdict.found.append(f"exit code {code}: {words}")
    wanted = {
        "dedup": {"given": len(history.deduped), "dead": len(history.odd)},
        "aggregator": {
            "given": sum(total.count for total in truth.minutes.values()),
            "late": len(history.late),
        },
    }
    for name, numbers in wanted.items():
        stage = history.stages.get(name, {})
        verdict.found += [
            f"{name}: {key} is {stage.get(key)}, not {number}"
            for key, number in numbers.items()
            if stage.get(key) != number
        ]
    return verdict


def _revisions(history: History) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in history.rows:
        found[row.minute].append(row)
    return found


def _needed(history: History) -> dict[int, tuple[list[int], list[int]]]:
    """Return, for each partition of raw, its offsets and the end of deduped that each needs."""
    where: dict[str, Place] = {}
    for place, tx_hash in history.deduped.items():
        where.setdefault(tx_hash, place)
    by_partition: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (partition, offset), tx_hash in history.raw.items():
        by_partition[partition].append((offset, where.get(tx_hash, (0, 0))[1]))
    found = {}
    for partition, pairs in by_partition.items():
        pairs.sort()
        found[partition] = [o for o, _ in pairs], list(accumulate((n for _, n in pairs), max))
    return found


def _reached(history: History) -> dict[str, tuple[int, list[int], list[int]]]:
    """Return, for each minute, its partition of aggregated, and the revision at each offset."""
    found: dict[str, tuple[int, list[int], list[int]]] = {}
    for row in history.rows:
        partition, offset = row.place
        _, offsets, revisions = found.setdefault(row.minute, (partition, [], []))
        offsets.append(offset)
        revisions.append(row.revision)
    return found
