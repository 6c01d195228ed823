"""The error of an address that a server can't listen on."""

from txfeatures.domain.errors import FatalError


def taken(host: str, port: int, error: OSError) -> FatalError:
    """Return the error, with the next step."""
    return FatalError(
        f"Can't listen on {host}:{port} ({error.strerror}): "
        "stop the server there or choose another port."
    )
