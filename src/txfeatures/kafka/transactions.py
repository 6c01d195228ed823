"""Kafka for the commands: records sent in transactions."""

from collections.abc import Sequence
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException

from txfeatures.domain.errors import FatalError, TxFeaturesError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.kafka.client import KafkaSink
from txfeatures.process.settings import KafkaSettings

TIMEOUT_S = 60.0


class TransactionalSink(KafkaSink):
    """Sends records in transactions of one id.

    A new one ends what another with the same id has begun, which can commit no more.

    Raises:
        FatalError: The brokers don't answer, or refuse us.
    """

    def __init__(self, settings: KafkaSettings, *, transactional_id: str) -> None:
        super().__init__(
            settings,
            client_id=transactional_id,
            properties={"transactional.id": transactional_id},
        )
        try:
            self._producer.init_transactions(TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                # It is fatal to the client, which then raises it from each call, poll included.
                reason = f"let this client describe and write transactional id {transactional_id}"
            else:
                reason = self._refusals.message(error, self._producer.poll)
            raise FatalError(f"Kafka grants no transaction: {reason}") from error

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Send ``records`` in one transaction.

        Raises:
            FatalError: It was not committed, or nobody knows; a new sink settles that.
        """
        try:
            self._producer.begin_transaction()
            super().publish(records)
            self._producer.commit_transaction(TIMEOUT_S)
        except (KafkaException, TxFeaturesError) as error:
            with suppress(KafkaException):  # best effort: the next sink ends it otherwise
                self._producer.abort_transaction(TIMEOUT_S)
            raise FatalError(
                f"a transaction of {len(records)} records was not committed ({error}); run the "
                "command again: it sends what is missing, unless another one is doing so"
            ) from error
