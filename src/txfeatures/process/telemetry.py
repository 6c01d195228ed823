"""The traces of a process, with OpenTelemetry only if they are on."""

from collections.abc import Iterator
from contextlib import contextmanager

from txfeatures.domain.errors import SettingsError
from txfeatures.process.settings import TracingSettings
from txfeatures.process.tracing import OFF, Tracing


@contextmanager
def open_tracing(settings: TracingSettings, *, service: str) -> Iterator[Tracing]:
    """Trace ``service`` while the context lasts; the remaining spans are exported at its end.

    Raises:
        SettingsError: There is an endpoint, but OpenTelemetry is not installed.
    """
    if settings.endpoint is None:
        yield OFF
        return
    try:
        from txfeatures.process import spans
    except ImportError as error:
        raise SettingsError(
            "TXF_TRACING_ENDPOINT needs OpenTelemetry: install txfeatures[tracing] or unset it "
            f"({error})"
        ) from error
    with spans.exported(str(settings.endpoint), ratio=settings.ratio, service=service) as tracing:
        yield tracing
