import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.memory_sink import body, tx, tx_hash
from tests.support.shared_data import ANSWER, shared_data
from txfeatures_poller import elements, logic
from txfeatures_poller.elements import Split, TooManyError, split


def found(answer: bytes) -> list[bytes]:
    elements = split(answer, max_elements=1000).elements
    assert elements is not None
    return elements


def published(answer: bytes) -> list[bytes]:
    """Return the hashes of the transactions of an answer."""
    read = map(logic.read, found(answer))
    return [element.identity for element in read if element.error is None]


def hashes(*numbers: int) -> list[bytes]:
    return [tx_hash(number).encode() for number in numbers]


def test_the_elements_are_the_bytes_of_the_answer() -> None:
    whole = body(tx(1), b'{"a":[{}, "]}"]}', b"null", b"-1.5e3", b'"a,\\"b"', b"[ 1 , 2]")
    assert split(whole, max_elements=1000) == Split(
        elements=[tx(1), b'{"a":[{}, "]}"]}', b"null", b"-1.5e3", b'"a,\\"b"', b"[ 1 , 2]"],
        is_whole=True,
    )


@pytest.mark.parametrize(
    "answer",
    [
        b'{"txs":[1,2]}',
        b' \r\n{"a" : {"txs":[7]}, "txs" : [1,2] , "b":[{"txs":[8]}]}\n',
        b'\xef\xbb\xbf{"txs":[1,2]}',
        b'{"txs":null,"txs":[1],"txs":[],"txs":[2]}',
        b'{"a":"\\"txs\\":[9]", "txs":[1,2]}',
    ],
)
def test_the_elements_are_those_of_txs_wherever_it_stands(answer: bytes) -> None:
    assert split(answer, max_elements=2) == Split(elements=[b"1", b"2"], is_whole=True)


@pytest.mark.parametrize(
    "answer", [b"{}", b'{"txs":null}', b'{"txs":{"txs":[1]}}', b'{"txs":"[1]"}', b'{"a":"txs"}']
)
def test_an_object_without_such_an_array_has_none(answer: bytes) -> None:
    assert split(answer, max_elements=2) == Split(elements=None, is_whole=True)


@pytest.mark.parametrize("answer", [b"", b"[1]", b"<html>", b"txs", b'{"a":"', b"{,"])
def test_another_body_has_none_and_is_not_whole(answer: bytes) -> None:
    assert split(answer, max_elements=2) == Split(elements=None, is_whole=False)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


class Strict(msgspec.Struct):
    txs: list[msgspec.Raw]


def strictly(answer: bytes) -> Split:
    """Return what a decoder of the whole answer finds."""
    txs = msgspec.json.decode(answer, type=Strict).txs
    return Split(elements=[bytes(element) for element in txs], is_whole=True)


@given(st.dictionaries(st.text(), JSON, max_size=3), st.lists(JSON), st.sampled_from([None, 1]))
def test_of_good_json_the_elements_are_those_of_a_strict_decoder(
    others: dict[str, object], txs: list[object], indent: int | None
) -> None:
    for value in ({"txs": txs} | others | {"txs": txs}, others | {"txs": txs}):
        answer = json.dumps(value, indent=indent, ensure_ascii=indent is None)
        encoded = answer.encode("utf-8", "replace")
        assert split(encoded, max_elements=1000) == strictly(encoded)


def test_a_real_answer_is_split_as_by_a_strict_decoder() -> None:
    answer = shared_data(ANSWER).read_bytes()
    assert split(answer, max_elements=100) == strictly(answer)


ODD = [
    tx(9, note="x").replace(b'"x"', b'"\\ud83d"'),
    tx(9, fee=17).replace(b"17", b"NaN"),
    tx(9, fee=17).replace(b"17", b"-Infinity"),
    tx(9, fee=17).replace(b"17", b"undefined"),
    tx(9, fee=17).replace(b"17", b"017"),
    tx(9, fee=17).replace(b"17", b""),
    tx(9, note="x").replace(b'"x"', b"'x'"),
    tx(9, note="x").replace(b'"x"', b'"\xff\xfe"').replace(b"fee", b"\xff"),
    tx(9, note="x").replace(b'"x"', b'"\\x"'),
    tx(9, note="x").replace(b'"x"', b'"\0\n\t"'),
    tx(9, note="x").replace(b'"x"', b'"x'),  # a quote is missing
    tx(9, note="x").replace(b'"x"', b'x"'),
    tx(9, note="x").replace(b'"x"', b'"x\\"'),
    tx(9)[:-1],  # a bracket is missing
    tx(9)[:-9],
    tx(9) + b"}",
    tx(9) + b"]",
    tx(9)[:-1] + b"]",
    tx(9, out=[{"value": 1}]).replace(b"}", b"", 1),
    tx(9, out=[{"value": 1}]).replace(b"]", b"", 1),
    tx(9) + b"/* a comment */",
    b"<b>Warning</b>: memory",
    b'{"hash":' * 20,
    b"[" * 5000,
    b'"',
    b"{",
    b",",
    b"",
]


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_element_costs_no_other(odd: bytes) -> None:
    answer = body(tx(1), odd, tx(2), tx(3))
    assert [name for name in published(answer) if name not in hashes(9)] == hashes(1, 2, 3)


@given(
    before=st.lists(st.integers(1, 9), max_size=3),
    odd=st.one_of(
        st.sampled_from(ODD),
        st.binary(max_size=40).filter(lambda odd: b"hash" not in odd),
        # Not another member, which would be the answer's and no element.
        st.text('[]{}",\\ 0ae', max_size=12).map(str.encode),
        st.recursive(
            st.floats() | st.text() | st.none(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ).map(lambda value: json.dumps(value).encode()),
    ),
    after=st.lists(st.integers(1, 9), max_size=3),
)
@example(before=[1], odd=b'"', after=[2])
@example(before=[1], odd=b"],", after=[2])
@example(before=[1], odd=b'],"txs":7}', after=[2])
@example(before=[], odd=b"[[]", after=[1])
@example(before=[], odd=b'{"a":[0', after=[1])
@example(before=[], odd=tx(9, note="x").replace(b'"x"', b'"x'), after=[1])
def test_of_any_answer_with_one_odd_element_all_good_ones_are_found(
    before: Sequence[int], odd: bytes, after: Sequence[int]
) -> None:
    good = [tx(number, note='a "quoted" [ { \\ text') for number in [*before, *after]]
    answer = body(*good[: len(before)], odd, *good[len(before) :])
    assert [element for element in found(answer) if element in good] == good


@given(st.binary(max_size=200) | st.text('{}[]",:txs\\ 1', max_size=60).map(str.encode))
def test_any_bytes_can_be_split(answer: bytes) -> None:
    for text in (answer, b'{"txs":' + answer, b'{"txs":[' + answer + b"]}"):
        assert all(element in text for element in split(text, max_elements=1000).elements or ())


def test_a_transaction_inside_of_another_is_no_element() -> None:
    nested = tx(1, parent=json.loads(tx(2)))
    assert found(body(nested, tx(3))) == [nested, tx(3)]


def test_an_answer_that_is_cut_keeps_its_elements_and_is_not_whole() -> None:
    whole = body(tx(1), tx(2), tx(3))
    cut = split(whole[: whole.index(tx(3)) + 30], max_elements=10)
    assert cut == Split(elements=[tx(1), tx(2), tx(3)[:30]], is_whole=False)


def test_no_more_elements_are_kept_than_the_bound() -> None:
    split(b'{"txs":[1,2,3]}', max_elements=3)
    with pytest.raises(TooManyError, match="more than 3 elements"):
        split(b'{"txs":[1,2],"txs":[3,4]}', max_elements=3)


@pytest.mark.parametrize("answer", [b'{"txs":[' + b"[" * 100, b"{" + b'"":0,' * 99])
def test_the_steps_of_a_scan_are_bounded(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(elements, "MAX_STEPS", 50)
    with pytest.raises(TooManyError, match="more than 50 brackets and members"):
        split(answer, max_elements=3)


def test_what_is_scanned_again_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = b'{"txs":[' + b'{"hash":' * 100
    split(answer, max_elements=1000)
    monkeypatch.setattr(elements, "MAX_SEARCHED_BYTES", 10 * len(answer))
    with pytest.raises(TooManyError, match="no end"):
        split(answer, max_elements=1000)
