import logging

import pytest

from faust_microbatch import CrashedError, MicrobatchError
from microbatch_support.fakes import Exit


def test_an_error_that_a_user_can_mend_ends_the_worker_with_one_sentence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Exit()
    with worker.crash.on_error("partitions can't be taken over"):
        raise MicrobatchError("topic in has grown; start again")
    [error] = worker.errors
    assert str(error) == "partitions can't be taken over: topic in has grown; start again"
    [record] = caplog.records
    assert record.levelno == logging.CRITICAL
    assert not record.exc_info


def test_any_other_error_ends_the_worker_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    worker = Exit()
    with worker.crash.on_error("the fetcher failed"):
        raise ValueError("unforeseen")
    [error] = worker.errors
    assert isinstance(error.__cause__, ValueError)
    assert caplog.records[0].exc_info


@pytest.mark.parametrize("error", [ValueError("closed file"), BrokenPipeError()])
def test_a_log_that_is_gone_does_not_keep_the_worker_alive(error: Exception) -> None:
    class Gone(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None: ...

        def flush(self) -> None:
            raise error

    worker = Exit()
    handler = Gone()
    logging.getLogger().addHandler(handler)
    try:
        with pytest.raises(CrashedError, match="it is over"):
            worker.crash("it is over")
    finally:
        logging.getLogger().removeHandler(handler)
    assert [str(each) for each in worker.errors] == ["it is over"]
