"""What a run observes while it lasts: offsets, the stores, the api; all by clients of its own."""

import json
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.chaos.ledger import MINUTE_S
from tests.chaos.stand import Stand
from txfeatures.archive.bucket import S3Bucket
from txfeatures.archive.reading import live_objects
from txfeatures.domain.errors import TxFeaturesError
from txfeatures.domain.features import minute_name
from txfeatures.domain.topics import AGGREGATED, DEDUPED, RAW
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.source import committed_ends
from txfeatures.process.settings import AwsSettings
from txfeatures_local.demo.plan import REGION

EVERY_S = 1.0
QUICK_S = 0.25
ARCHIVE_EVERY = 5
"""Samples of offsets between two looks at the archive."""
OLDEST_S = 6
"""More than the age of a transaction when it is first shown."""
LOOKED_AT = 3
"""Newest minutes of the online store that a sample reads."""

Offsets = dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Offsets that were committed, and then what was there downstream.

    Read in that order: all that a committed offset stands for must be there already.

    Attributes:
        dedup: Committed on raw.
        deduped_ends: Ends of deduped, read after ``dedup``.
        features: Committed on aggregated.
        revisions: Revision of some minutes in the online store, read after ``features``.
        archive: Committed on deduped; None when the archive was not looked at.
        objects: Partition and first offset of the archive's objects, read after ``archive``.
    """

    dedup: Offsets
    deduped_ends: Offsets
    features: Offsets
    revisions: dict[str, int]
    archive: Offsets | None = None
    objects: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """One answer of the api to the one client."""

    status: int
    minute: str = ""
    revision: int = 0


@dataclass(slots=True)
class Observations:
    """Two threads that look at everything until ``close``."""

    stand: Stand
    samples: list[Sample] = field(default_factory=list)
    answers: list[ApiAnswer] = field(default_factory=list)
    refused_samples: int = 0
    failures: list[BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for look, pause_s in ((self._offsets(), EVERY_S), (self._api, EVERY_S)):
            thread = threading.Thread(target=self._repeat, args=(look, pause_s), daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, look: Callable[[], None], pause_s: float) -> None:
        try:
            while not self.stand.clock.wait(self._stop, pause_s):
                look()
        except BaseException as error:  # noqa: BLE001 - raised by the check of the run
            self.failures.append(error)

    def _offsets(self) -> Callable[[], None]:
        kafka = self.stand.inside
        admin = KafkaAdmin(kafka)
        store = client(self.stand, "sagemaker-featurestore-runtime")
        bucket = S3Bucket(client(self.stand, "s3"), AwsSettings().bucket)
        count = 0

        def look() -> None:
            nonlocal count
            count += 1
            try:
                dedup = admin.committed("dedup", RAW)
                ends = committed_ends(kafka, DEDUPED)
                features = admin.committed("fs_writer-features", AGGREGATED)
                revisions = self._revisions(store)
                archive, objects = None, frozenset[tuple[int, int]]()
                if count % ARCHIVE_EVERY == 0:
                    archive = admin.committed("fs_writer-archive", DEDUPED)
                    objects = frozenset(
                        (name.shelf.partition, name.first) for name in live_objects(bucket)
                    )
            except (TxFeaturesError, ClientError, BotoCoreError):
                self.refused_samples += 1  # a broker is away, or the store fails by plan
                return
            self.samples.append(
                Sample(
                    dedup=dedup,
                    deduped_ends=ends,
                    features=features,
                    revisions=revisions,
                    archive=archive,
                    objects=objects,
                )
            )

        return look

    def _revisions(self, store: Any) -> dict[str, int]:
        minute = int(self.stand.source.feed_time_s) // MINUTE_S * MINUTE_S
        names = [minute_name(minute - MINUTE_S * back) for back in range(LOOKED_AT)]
        found = ((name, record(store, name)) for name in names)
        return {name: int(values["revision"]) for name, values in found if values}

    def _api(self) -> None:
        try:
            url = f"{self.stand.api_url}/v1/features/latest"
            with closing(urlopen(url, timeout=10)) as answer:
                row = json.load(answer)
            found = ApiAnswer(status=200, minute=row["tx_minute"], revision=row["revision"])
        except HTTPError as error:
            error.close()
            found = ApiAnswer(status=error.code)
        except (URLError, OSError):
            return  # it is down
        self.answers.append(found)


def client(stand: Stand, service: str) -> Any:
    """Return a plain boto3 client of the local AWS."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=stand.aws_url,
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(proxies={}, retries={"total_max_attempts": 1}, read_timeout=10),
    )


def record(store: Any, minute: str) -> dict[str, str]:
    """Return the values of a minute in the online store; none if there is no record."""
    answer = store.get_record(
        FeatureGroupName=AwsSettings().feature_group, RecordIdentifierValueAsString=minute
    )
    return {each["FeatureName"]: each["ValueAsString"] for each in answer.get("Record", ())}


@dataclass(slots=True)
class Recovery:
    """Waits until all that was shown up to the next answer is counted in the online store."""

    stand: Stand
    store: Any

    def wait(self, limit_s: float) -> float | None:
        """Return the seconds it took from now on; None if ``limit_s`` were not enough."""
        clock, started_s = self.stand.clock, self.stand.clock.monotonic()
        source, before_s = self.stand.source, self.stand.source.feed_time_s
        minute, wanted = 0, 0
        while (passed_s := clock.monotonic() - started_s) < limit_s:
            if not minute and source.feed_time_s > before_s:
                # Of its first seconds a minute may have no transaction yet.
                minute = int(source.feed_time_s - OLDEST_S) // MINUTE_S * MINUTE_S
                wanted = source.ledger.shown_in(minute)
            with suppress(ClientError, BotoCoreError):
                found = record(self.store, minute_name(minute)) if minute else {}
                if int(found.get("total_nb_trx_1min", "-1")) >= wanted:
                    return passed_s
            clock.wait(self.stand.stopped, QUICK_S)
        return None
