"""The rows that the store gets, as ``aggregated`` announces them."""

from collections.abc import Sequence

from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import RECORD_IDENTIFIER, Feature, minute_start_s
from txfeatures.domain.model import Record
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step
from txfeatures_api.following import Tail, follow_tail
from txfeatures_api.rows import Rows

log = get_logger(__name__)


def follow_changes(
    rows: Rows, features: Sequence[Feature], *, tail: Tail, runtime: Runtime
) -> Step:
    """Return the step that announces each revision on ``aggregated`` to ``rows``.

    Its values are never served: only the store's are. Unreadable records, which fs_writer keeps
    out of the store, are passed over.
    """

    def announce(records: Sequence[Record]) -> None:
        for record in records:
            try:
                row = wire.decode_row(record.value, features)
                minute_s = minute_start_s(str(row[RECORD_IDENTIFIER]))
            except InvalidMessageError as error:
                log.warning("change_unreadable", offset=record.offset, error=str(error))
            else:
                rows.announce(minute_s, int(row["revision"]))

    return follow_tail(tail, announce, unreachable="changes_unreachable", runtime=runtime)
