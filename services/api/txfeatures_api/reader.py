"""Rows of the online store, with the metrics of their reading."""

from collections.abc import Sequence
from typing import Self

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import Feature
from txfeatures.domain.model import Row
from txfeatures.feature_store.codec import to_row
from txfeatures.feature_store.online import OnlineStore
from txfeatures.feature_store.retries import Retries
from txfeatures.process import aws
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings

CONNECTIONS = 16
"""Most reads at the same time."""

ATTEMPTS = 3
FIRST_PAUSE_S = 0.1
"""Short, since a client waits for the answer; one with more patience obeys Retry-After."""

log = get_logger(__name__)


class FeatureStoreReader:
    """Reads rows of one feature group; safe to share between threads.

    A time-out is not repeated: the client has waited for a whole one already.
    """

    def __init__(
        self, store: OnlineStore, features: Sequence[Feature], *, runtime: Runtime
    ) -> None:
        self._store = store
        self._features = features
        self._metrics = runtime.metrics

    @classmethod
    def connect(
        cls, settings: AwsSettings, features: Sequence[Feature], *, runtime: Runtime
    ) -> Self:
        """Return a reader of the feature group that the settings name.

        Raises:
            SettingsError: AWS is not configured.
        """
        retries = Retries(
            clock=runtime.clock,
            stop=runtime.stop,
            attempts=ATTEMPTS,
            first_pause_s=FIRST_PAUSE_S,
            repeats_timeouts=False,
        )
        store = OnlineStore(
            aws.feature_store(settings, connections=CONNECTIONS),
            settings.feature_group,
            retries=retries,
            on_outcome=lambda outcome: runtime.metrics.count("store_reads_total", outcome=outcome),
        )
        return cls(store, features, runtime=runtime)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def read(self, minutes: Sequence[int]) -> list[Row]:
        """Return the rows of those of ``minutes`` that have one, in any order.

        A record that can't be read is counted, logged and left out.

        Raises:
            TransientError: The store is throttled, failing or out of reach.
            FatalError: It refuses for good.
        """
        rows = []
        for name, values in self._store.read(minutes):
            try:
                rows.append(to_row(values, self._features))
            except InvalidMessageError as error:
                self._metrics.count("unreadable_records_total", reason=error.reason)
                log.warning("record_unreadable", minute=name, error=str(error))
        return rows
