"""Bounds of what one client may take of the api."""

from dataclasses import dataclass

HEADER_BYTES = 32_768
"""Request line and headers together. Tokens of OpenID Connect can have some thousand bytes."""

URL_BYTES = 8_192
"""Path and query."""

BODY_BYTES = 65_536
"""No route reads a body, so one that comes is received only to be dropped."""

LINGER_S = 2.0
"""Seconds that a refused client may go on sending, so that it reads the refusal.

A connection that is closed with unread data is reset, and the reset overtakes the answer.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits that are settings.

    Attributes:
        connections: Most connections at the same time.
        receive_s: Seconds in which a request must have arrived, header and body.
        send_s: Seconds that a client may leave its answer unread.
        keep_alive_s: Seconds that a connection is kept between two requests.
    """

    connections: int
    receive_s: float
    send_s: float
    keep_alive_s: int
