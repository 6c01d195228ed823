import subprocess
import sys

import pytest

from txfeatures.domain.errors import SettingsError
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.process.settings import TracingSettings
from txfeatures.process.telemetry import open_tracing
from txfeatures.process.tracing import OFF, Context

RECORD = Record(topic="raw", partition=0, offset=1, key=None, value=b"", timestamp_ms=0, headers=())
OUTGOING = OutgoingRecord(
    topic="raw", key=b"k", value=b"v", timestamp_ms=5, headers=(("a", b"1"),), partition=2
)


def test_without_an_endpoint_there_are_no_traces() -> None:
    with open_tracing(TracingSettings(), service="dedup") as tracing:
        assert tracing is OFF


def test_while_off_records_stay_as_they_are() -> None:
    with OFF.span("poll"), OFF.send("raw", 1) as sending:
        assert sending.headers == ()
    with OFF.process([RECORD], group="dedup") as processing:
        records = [OUTGOING]
        assert processing.mark(records) is records


def test_while_on_records_get_one_header_more_and_stay_as_they_are_otherwise() -> None:
    context = Context(headers=(("traceparent", b"00"),))
    [marked] = context.mark([OUTGOING])
    assert marked == OutgoingRecord(
        topic="raw",
        key=b"k",
        value=b"v",
        timestamp_ms=5,
        headers=(("a", b"1"), ("traceparent", b"00")),
        partition=2,
    )
    assert OUTGOING.headers == (("a", b"1"),)


def test_an_endpoint_without_opentelemetry_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "txfeatures.process.spans", None)
    monkeypatch.delattr("txfeatures.process.spans", raising=False)
    settings = TracingSettings.model_validate({"endpoint": "http://127.0.0.1:1/v1/traces"})
    with (
        pytest.raises(SettingsError, match=r"install txfeatures\[tracing\] or unset it"),
        open_tracing(settings, service="dedup"),
    ):
        pass


def test_no_service_imports_opentelemetry_before_it_is_told_to() -> None:
    program = (
        "import sys, txfeatures_poller.main, txfeatures_dedup.main, txfeatures_aggregator.main, "
        "txfeatures_fs_writer.main; print([m for m in sys.modules if 'opentelemetry' in m])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
