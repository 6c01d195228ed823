"""A feature as a file writes it: its keys, with the place of each [pure]."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from txfeatures.domain.features.document import Document, is_null
from txfeatures.domain.features.expression import Expression
from txfeatures.domain.features.kinds import MINUTE, Window
from txfeatures.domain.features.parsing import ExpressionError, parse

KEYS = (
    *("name", "description", "unit", "aggregate", "from", "where", "quantiles", "resolution"),
    *("expression", "else", "windows"),
)
NAME = "[a-z][a-z0-9]*(_[a-z0-9]+)*"
WINDOW = "([1-9][0-9]{0,5})(m|h)"
LONGEST_TEXT = 240
"""Characters of a description: SageMaker keeps 255, and some are for placeholders."""

STEPS = {1: 1, 0.1: 10, 0.01: 100, 0.001: 1_000, 0.0001: 10_000, 0.00001: 100_000}
"""Resolution -> steps per unit."""

_TEXTS = ("description", "unit", "aggregate", "from", "where", "expression")


@dataclass(slots=True, kw_only=True)
class Draft:
    """A feature that is read; a mistake in it is noted, and reading goes on.

    Attributes:
        document: Its file.
        node: Its place.
        name: Its name.
        nodes: Key -> place of the value.
        texts: Key -> value, of the keys that hold texts.
        failed: A mistake was found.
    """

    document: Document
    node: yaml.Node
    name: str
    nodes: Mapping[str, yaml.Node]
    texts: dict[str, str] = field(default_factory=dict)
    failed: bool = False

    def fail(self, key: str, sentence: str, *, offset: int = 0) -> None:
        """Note a mistake in the value of ``key``, or in the whole feature if it has no such key."""
        self.fail_at(self.nodes.get(key, self.node), sentence, offset=offset)

    def fail_at(self, node: yaml.Node, sentence: str, *, offset: int = 0) -> None:
        """Note a mistake at a node."""
        self.failed = True
        self.document.at(node, sentence, offset=offset)

    def refuse(self, what: str, *keys: str) -> None:
        """Note a mistake for each of ``keys`` that is there: ``what`` does not take it."""
        for key in keys:
            if key in self.nodes:
                self.fail(key, f"{what} takes no `{key}`")

    def read_texts(self) -> None:
        """Read the values that are texts."""
        for key in _TEXTS:
            if key in self.nodes:
                text = self.document.text(self.nodes[key], f"`{key}`")
                self.failed |= text is None
                self.texts[key] = text or ""
        if not self.texts.get("description", "").strip():
            self.fail("description", f"{self.name} needs a `description`, one sentence")
        for key in ("description", "unit"):
            text = self.texts.get(key, "")
            if len(text) > LONGEST_TEXT or not text.isprintable():
                self.fail(key, f"`{key}` is one line of at most {LONGEST_TEXT} characters")

    def expression(
        self, key: str, names: Mapping[str, Expression], *, what: str, as_numbers: bool = False
    ) -> Expression | None:
        """Return the expression of ``key``; None if there is none, or a mistake in it."""
        if key not in self.texts:
            return None
        try:
            return parse(self.texts[key], names, what=what, as_numbers=as_numbers)
        except ExpressionError as error:
            self.fail(key, error.sentence, offset=error.offset)
            return None

    def windows(self, longest: Window) -> Sequence[Window]:
        """Return the windows, a minute if none is given."""
        if "windows" not in self.nodes:
            return [MINUTE]
        found: list[Window] = []
        for node in self._items("windows"):
            text = self.document.text(node, "a window") or ""
            match = re.fullmatch(WINDOW, text)
            window = Window(int(match[1]) * (60 if match[2] == "h" else 1)) if match else None
            if window is None:
                self.fail_at(node, f"{text!r} is no window; write whole minutes or hours: 30m, 24h")
            elif window > longest:
                self.fail_at(node, f"{text} is longer than the allowed lateness, {longest}")
            elif window != MINUTE:
                self.fail_at(node, f"the window {text} is not available; the only one is {MINUTE}")
            elif window in found:
                self.fail_at(node, f"{text} is given twice")
            else:
                found.append(window)
        return found

    def percents(self) -> Sequence[int]:
        """Return the percents of the quantiles."""
        if "quantiles" not in self.nodes:
            self.fail("quantiles", "the aggregate quantile needs `quantiles`, a list of percents")
            return ()
        found: list[int] = []
        for node in self._items("quantiles"):
            percent = self.document.number(node, "a quantile")
            if not isinstance(percent, int) or not 1 <= percent <= 99:
                self.fail_at(node, "a quantile is a whole percent from 1 to 99")
            elif percent in found:
                self.fail_at(node, f"{percent} is given twice")
            else:
                found.append(percent)
        return found

    def steps(self) -> int | None:
        """Return the steps per unit that a resolution gives; None if there is none."""
        if "resolution" not in self.nodes:
            return None
        resolution = self.document.number(self.nodes["resolution"], "`resolution`")
        if resolution not in STEPS:
            self.fail("resolution", "`resolution` is 1, 0.1, 0.01, 0.001, 0.0001 or 0.00001")
            return None
        return STEPS[resolution]

    def otherwise(self) -> int | float | None:
        """Return the value of a row for which there is none; 0 unless another is given."""
        node = self.nodes.get("else")
        if node is None:
            return 0
        if is_null(node):
            return None
        number = self.document.number(node, "`else`")
        self.failed |= number is None
        return number

    def _items(self, key: str) -> Sequence[yaml.Node]:
        items = self.document.items(self.nodes[key], f"`{key}`")
        self.failed |= not items
        return items


def draft_of(document: Document, node: yaml.Node) -> Draft | None:
    """Return the draft of a feature; None if it has no name to call it by."""
    nodes = document.entries(node, KEYS, what="a feature")
    if "name" not in nodes:
        if nodes:
            document.at(node, "a feature needs a `name`")
        return None
    name = document.text(nodes["name"], "a name")
    if name is None:
        return None
    found = Draft(document=document, node=node, name=name, nodes=nodes)
    if not re.fullmatch(NAME, name):
        found.fail(
            "name",
            f"{name!r} is no name; it is of lower-case letters, digits and single underscores, "
            "a letter first",
        )
    found.read_texts()
    return found
