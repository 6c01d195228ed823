"""The content encoding of an answer, undone under a bound [pure]."""

import zlib

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's names of the formats: gzip alone, and the zlib format that HTTP calls deflate."""

_STEP_BYTES = 1024 * 1024
"""Inflated at a time: a piece of 64 KiB may hold a thousand times as much."""


class EncodingError(Exception):
    """A body that is not encoded as its answer claims, or in a way that isn't undone."""


class TooLargeError(Exception):
    """A body that exceeds the bound, encoded or decoded."""


class BodyReader:
    """Collects a body from the pieces that arrive, and undoes one layer of encoding.

    Args:
        content_encoding: The answer's header, empty if there is none.
        max_bytes: Largest body, before and after decoding. Bytes behind the
            end of an encoded body are ignored, as browsers do.

    Raises:
        EncodingError: The encoding is unknown, or there is more than one.
    """

    def __init__(self, content_encoding: str, *, max_bytes: int) -> None:
        self._body = bytearray()
        self._encoded_bytes = 0
        self._max_bytes = max_bytes
        self._inflater = None
        names = [name for name in map(str.strip, content_encoding.lower().split(",")) if name]
        if names not in ([], ["identity"]):
            bits = _WINDOW_BITS.get(names[0]) if len(names) == 1 else None
            if bits is None:
                raise EncodingError(f"the encoding {content_encoding[:100]!r} isn't supported")
            self._inflater = zlib.decompressobj(bits)

    def feed(self, piece: bytes) -> None:
        """Add the next piece.

        Raises:
            EncodingError: The piece is not encoded as claimed.
            TooLargeError: The body exceeds the bound.
        """
        self._encoded_bytes += len(piece)
        if self._inflater is None:
            self._body += piece
        while self._inflater is not None and not self._inflater.eof:
            try:
                inflated = self._inflater.decompress(piece, _STEP_BYTES)
            except zlib.error as error:
                raise EncodingError(f"the body can't be unzipped: {error}") from error
            self._body += inflated
            piece = self._inflater.unconsumed_tail
            if len(inflated) < _STEP_BYTES or len(self._body) > self._max_bytes:
                break
        if max(self._encoded_bytes, len(self._body)) > self._max_bytes:
            raise TooLargeError(f"the body exceeds {self._max_bytes} bytes")

    def finish(self) -> bytearray:
        """Return the body.

        Raises:
            EncodingError: The encoded body was cut.
        """
        if self._inflater is not None and not self._inflater.eof:
            raise EncodingError("the encoded body is cut off")
        return self._body
