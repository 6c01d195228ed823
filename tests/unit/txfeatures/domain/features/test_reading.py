import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txfeatures.domain.features import DeclarationError, default, read, reading
from txfeatures.domain.features.document import Mistake
from txfeatures.domain.features.reading import default_text
from txfeatures.domain.features.schema import schema

HEAD = """version: 1
features:
  - {name: total_nb_trx, aggregate: count, description: All.}
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        read(text, name="f.yaml")
    return str(caught.value).splitlines()


def found_in(text: str) -> list[Mistake]:
    """Return the mistakes of a text, none for a declaration."""
    try:
        read(text, name="f.yaml")
    except DeclarationError as error:
        return error.mistakes or [Mistake(0, 0, "")]
    return []


def of_feature(text: str) -> list[str]:
    return mistakes(f"{HEAD}  - {{{text}}}\n")


@pytest.mark.parametrize(
    ("feature", "place", "sentence"),
    [
        ("name: a, aggregate: sum, from: fe + 1, description: A.",
         37, "there is no column fe; did you mean fee?"),
        ("name: a, aggregate: sum, from: '1 + foo(fee)', description: A.",
         42, "there is no function foo"),
        ("name: a, aggregate: sum, from: fee +, description: A.",
         41, "it can't be read at '+'"),
        ("name: a, aggregate: sum, frm: fee, from: fee, description: A.",
         31, "did you mean from?"),
        ("name: a, aggregate: sum, from: rbf, description: A.",
         37, "takes whole numbers, and this is a truth value"),
        ("name: a, aggregate: sum, from: fee - size, description: A.",
         37, "may be negative"),
        ("name: a, aggregate: max, from: fee * fee, description: A.",
         37, "more than 64 bits"),
        ("name: a, aggregate: max, from: fee * fee * fee, description: A.",
         37, "more than 128 bits"),
        ("name: a, aggregate: count, where: fee, description: A.",
         40, "takes a truth value"),
        ("name: a, aggregate: count, from: fee, description: A.",
         39, "takes no `from`"),
        ("name: a, aggregate: share, description: A.",
         5, "needs a `where`"),
        ("name: a, aggregate: median, from: fee, description: A.",
         26, "is no aggregate"),
        ("name: a, aggregate: quantile, from: fee, description: A.",
         5, "needs `quantiles`"),
        ("name: a, aggregate: quantile, from: fee, quantiles: [0], description: A.",
         59, "from 1 to 99"),
        ("name: a, aggregate: quantile, from: fee, quantiles: [5, 5], description: A.",
         62, "given twice"),
        ("name: a, aggregate: mean, from: fee, resolution: 0.5, description: A.",
         55, "`resolution` is 1, 0.1"),
        ("name: a, aggregate: count, windows: [90s], description: A.",
         43, "is no window"),
        ("name: a, aggregate: count, windows: [5m], description: A.",
         43, "not available; the only one is 1m"),
        ("name: a, aggregate: count, windows: [48h], description: A.",
         43, "longer than the allowed lateness, 24h"),
        ("name: A, aggregate: count, description: A.",
         12, "is no name"),
        ("name: nb_gaps, aggregate: count, description: A.",
         12, "nb_gaps_1min is reserved"),
        ("name: total_nb_trx, aggregate: count, description: A.",
         12, "is declared on line 3 already"),
        (f"name: {'a' * 70}, aggregate: count, description: A.",
         12, "more than 64 characters"),
        ("name: a, aggregate: count",
         5, "needs a `description`"),
        ("name: a, description: A.",
         5, "an `aggregate` or an `expression`"),
        ("name: a, expression: zz + 1, description: A.",
         27, "there is no feature zz"),
        ("name: a, expression: a + 1, description: A.",
         27, "derived from itself: a -> a"),
        ("name: a, expression: total_nb_trx > 1, description: A.",
         27, "a feature is a number"),
        ("name: a, expression: total_nb_trx // 2, description: A.",
         27, "use /"),
        ("name: a, aggregate: count, else: 3, description: A.",
         39, "leave out `else`"),
        ("name: a, aggregate: min, from: fee, else: x, description: A.",
         48, "`else` is a number"),
        ("name: a, name: b, aggregate: count, description: A.",
         15, "name is given twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_with_its_place(feature: str, place: int, sentence: str) -> None:
    [found] = of_feature(feature)
    assert found.startswith(f"f.yaml:4:{place}: ")
    assert sentence in found


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("", "1:1", "the file is empty"),
        ("- 1", "1:1", "a declaration is a mapping"),
        ("version: 1\nfeatures: {", "2:12", "it is no YAML"),
        ("version: 1", "1:1", "`features` is missing"),
        ("version: 1\nfeatures: []", "2:11", "a list that is not empty"),
        (HEAD.replace("version: 1", "version: 2"), "1:10", "reads version 1"),
        (HEAD.replace("version: 1\n", ""), "1:1", "`version: 1` is missing"),
        (HEAD.replace("total_nb_trx", "n"), "3:3", "has the feature `{name: total_nb_trx"),
        (HEAD.replace("All.", "All., where: rbf"), "3:3", "without `where`"),
        ("version: &a 1\nfeatures: *a", "2:11", "aliases are not supported"),
        ("version: 1\nfeatures: [\0]", "1:0", "it is no YAML"),
    ],
)
def test_a_mistake_of_the_whole_file_has_its_place(text: str, place: str, sentence: str) -> None:
    [found] = mistakes(text)
    assert sentence in found
    if "\0" not in text:
        assert found.startswith(f"f.yaml:{place}: ")


def test_all_mistakes_are_found_at_once_and_a_cause_is_named_once() -> None:
    found = mistakes(
        HEAD
        + "  - {name: a, aggregate: sum, from: fe, description: A.}\n"
        + "  - {name: b, expression: a + 1, description: B.}\n"
        + "  - {name: c, expression: d, description: C.}\n"
        + "  - {name: d, expression: c, description: D.}\n"
    )
    assert [line.split(": ")[0] for line in found] == ["f.yaml:4:37", "f.yaml:6:27"]


def test_a_feature_group_holds_no_more_than_2500_features() -> None:
    more = "".join(f"  - {{name: a{n}, aggregate: count, description: A.}}\n" for n in range(2_494))
    [found] = mistakes(HEAD + more)
    assert found.startswith("f.yaml:2497:")
    assert "at most 2,500 features" in found
    assert len(read((HEAD + more).rsplit("  - ", 1)[0], name="f").features) == 2_500


@settings(max_examples=100, deadline=None)
@given(text=st.text() | st.binary().map(lambda b: b.decode("latin-1")), place=st.floats(0, 1))
def test_any_text_gives_a_declaration_or_located_mistakes(text: str, place: float) -> None:
    whole = default_text()
    at = int(place * len(whole))
    for each in (text, whole[:at] + text + whole[at:]):
        assert all(m.line >= 1 and m.column >= 1 and m.sentence for m in found_in(each))


def test_the_shipped_schema_is_the_generated_one() -> None:
    path = Path(reading.__file__).with_name("features.schema.json")
    assert json.loads(path.read_text()) == schema()  # `txfeatures features schema` writes it


def test_the_shipped_declaration_has_a_fingerprint_of_its_meaning_alone() -> None:
    text = default_text()
    same = read(text.replace("Sum of their fees, exact.", "The sum."), name="f.yaml")
    other = read(text.replace("where: rbf", "where: NOT rbf"), name="f.yaml")
    assert same.fingerprint == default().fingerprint != other.fingerprint
