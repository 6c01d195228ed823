"""The rows that the store gets, as ``aggregated`` announces them."""

from collections.abc import Sequence

from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError, TransientError
from txfeatures.domain.features import RECORD_IDENTIFIER, Feature, minute_start_s
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step, backoff_s
from txfeatures_api.feed_clock import POLL_S, Tail
from txfeatures_api.rows import Rows

log = get_logger(__name__)


def follow_changes(
    rows: Rows, features: Sequence[Feature], *, tail: Tail, runtime: Runtime
) -> Step:
    """Return the step that announces each revision on ``aggregated`` to ``rows``.

    Its values are never served: only the store's are. Unreadable records, which fs_writer keeps
    out of the store, are passed over. It never gives up, since rows can be served without it.
    """
    failures = 0

    def step() -> None:
        nonlocal failures
        try:
            for record in tail.poll(POLL_S):
                try:
                    row = wire.decode_row(record.value, features)
                    minute_s = minute_start_s(str(row[RECORD_IDENTIFIER]))
                except InvalidMessageError as error:
                    log.warning("change_unreadable", offset=record.offset, error=str(error))
                else:
                    rows.announce(minute_s, int(row["revision"]))
        except TransientError as error:
            failures += 1
            log.warning("changes_unreachable", attempt=failures, error=str(error))
            runtime.clock.wait(runtime.stop, backoff_s(failures))
        else:
            failures = 0

    return step
