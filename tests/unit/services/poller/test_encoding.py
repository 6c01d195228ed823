import gzip
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txfeatures_poller.encoding import BodyReader, EncodingError, TooLargeError

MEBIBYTE = 2**20


def read(pieces: Sequence[bytes], encoding: str = "", *, max_bytes: int = 10 * MEBIBYTE) -> bytes:
    reader = BodyReader(encoding, max_bytes=max_bytes)
    for piece in pieces:
        reader.feed(piece)
    return bytes(reader.finish())


@given(st.binary(max_size=500), st.integers(1, 50))
def test_a_body_is_the_same_however_it_is_encoded_and_cut(body: bytes, size: int) -> None:
    encodings = {
        "": body,
        "identity": body,
        "gzip": gzip.compress(body),
        "X-GZIP": gzip.compress(body),
        "deflate": zlib.compress(body),
    }
    for encoding, encoded in encodings.items():
        pieces = [encoded[at : at + size] for at in range(0, len(encoded), size)]
        assert read(pieces, encoding) == body


def test_a_piece_that_inflates_to_more_than_one_step_is_read_whole() -> None:
    for size in (MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 5 * MEBIBYTE):
        assert read([gzip.compress(b"a" * size)], "gzip") == b"a" * size


@pytest.mark.parametrize(
    "encoding",
    ["gzip, gzip", "gzip,identity", "br", "zstd", "gzip, br", "compress", "\xff", "gzip;q=1"],
)
def test_more_than_one_layer_and_unknown_ones_are_refused(encoding: str) -> None:
    with pytest.raises(EncodingError, match="isn't supported"):
        BodyReader(encoding, max_bytes=100)


def test_an_encoded_body_that_is_cut_is_refused() -> None:
    with pytest.raises(EncodingError, match="cut off"):
        read([gzip.compress(b"a" * 1000)[:-1]], "gzip")


def test_a_body_that_is_not_encoded_as_claimed_is_refused() -> None:
    with pytest.raises(EncodingError, match="can't be unzipped"):
        read([b"{}"], "gzip")


def test_bytes_behind_the_end_are_ignored_and_count_for_the_bound() -> None:
    assert read([gzip.compress(b"a") + b"tail", b"more"], "gzip") == b"a"
    with pytest.raises(TooLargeError):
        read([gzip.compress(b"a"), b"b" * 100], "gzip", max_bytes=100)


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_body_may_be_as_large_as_the_bound_and_no_larger(encoding: str) -> None:
    def encoded(size: int) -> bytes:
        body = b"a" * size
        return gzip.compress(body) if encoding else body

    assert len(read([encoded(3 * MEBIBYTE)], encoding, max_bytes=3 * MEBIBYTE)) == 3 * MEBIBYTE
    with pytest.raises(TooLargeError, match="exceeds 3145728 bytes"):
        read([encoded(3 * MEBIBYTE + 1)], encoding, max_bytes=3 * MEBIBYTE)


def test_no_more_is_inflated_than_the_bound_and_one_step() -> None:
    reader = BodyReader("gzip", max_bytes=MEBIBYTE)
    with pytest.raises(TooLargeError):
        reader.feed(gzip.compress(b"a" * 100 * MEBIBYTE))
    assert len(reader._body) <= 2 * MEBIBYTE
