import pytest

from txfeatures.domain.errors import (
    FatalError,
    InvalidMessageError,
    SettingsError,
    TransientError,
    TxFeaturesError,
)


def test_an_invalid_message_has_a_reason_for_machines_and_a_detail_for_people() -> None:
    error = InvalidMessageError("bad_key", "the key must be a hash")
    assert (error.reason, error.detail) == ("bad_key", "the key must be a hash")
    assert str(error) == "bad_key: the key must be a hash"


def test_a_transient_error_tells_how_long_the_other_side_asks_to_wait() -> None:
    assert TransientError("throttled").retry_after_s is None
    error = TransientError("throttled", retry_after_s=2.5)
    assert (str(error), error.retry_after_s) == ("throttled", 2.5)


@pytest.mark.parametrize("kind", [InvalidMessageError, TransientError, FatalError])
def test_the_three_kinds_ask_for_different_things_and_have_one_root(
    kind: type[TxFeaturesError],
) -> None:
    others = {InvalidMessageError, TransientError, FatalError} - {kind}
    assert issubclass(kind, TxFeaturesError)
    assert not issubclass(kind, tuple(others))


def test_a_refused_start_is_fatal() -> None:
    assert issubclass(SettingsError, FatalError)
