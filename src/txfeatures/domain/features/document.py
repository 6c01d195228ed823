"""The YAML of a declaration with the place of everything in it, for errors [pure]."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import yaml

from txfeatures.domain.errors import SettingsError

LARGEST_FILE = 1_000_000
"""Characters; 2,500 features take a third of it."""

_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_NULL = "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """A mistake in a file: line and column, from 1, and one sentence."""

    line: int
    column: int
    sentence: str


class DeclarationError(SettingsError):
    """A declaration that can't be used; its message has a line for each mistake.

    Args:
        name: Name of the file.
        mistakes: One or more.
    """

    def __init__(self, name: str, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes))
        lines = (f"{name}:{m.line}:{m.column}: {m.sentence}" for m in self.mistakes)
        super().__init__("\n".join(lines))


@dataclass(slots=True, kw_only=True)
class Document:
    """A file that is read: its root and the mistakes found so far."""

    name: str
    mistakes: list[Mistake] = field(default_factory=list)

    def root(self, text: str) -> yaml.MappingNode:
        """Return the root of the file.

        Raises:
            DeclarationError: It is no YAML, or no mapping.
        """
        node: yaml.Node | None = None
        if len(text) > LARGEST_FILE:
            self._at(1, 1, f"the file has more than {LARGEST_FILE:,} characters")
        else:
            try:
                loader = _Loader(text)
                node = loader.get_single_node()
            except yaml.MarkedYAMLError as error:
                mark = error.problem_mark or error.context_mark
                where = (mark.line + 1, mark.column + 1) if mark else (1, 1)
                self._at(*where, f"it is no YAML: {error.problem or error.context}")
            except yaml.reader.ReaderError as error:
                before = text[: error.position]
                column = len(before) - (before.rfind("\n") + 1) + 1
                self._at(before.count("\n") + 1, column, f"it is no YAML: {error.reason}")
            except RecursionError:
                self._at(1, 1, "it is nested too deeply")
            else:
                if node is None:
                    self._at(1, 1, "the file is empty; begin with `version: 1` and `features:`")
        if isinstance(node, yaml.MappingNode):
            return node
        if node is not None:
            self.at(node, "a declaration is a mapping with `version` and `features`")
        raise self.error()

    def error(self) -> DeclarationError:
        """Return the error of all mistakes."""
        return DeclarationError(self.name, self.mistakes)

    def at(self, node: yaml.Node, sentence: str, *, offset: int = 0) -> None:
        """Note a mistake at a node, or ``offset`` characters into its text."""
        line, column = node.start_mark.line, node.start_mark.column
        if isinstance(node, yaml.ScalarNode) and _is_literal(node):
            column += offset + (1 if node.style in {"'", '"'} else 0)
        self._at(line + 1, column + 1, sentence)

    def entries(
        self, node: yaml.Node, known: Sequence[str], *, what: str
    ) -> Mapping[str, yaml.Node]:
        """Return key -> value of a mapping; unknown and repeated keys are mistakes."""
        if not isinstance(node, yaml.MappingNode):
            self.at(node, f"{what} is a mapping with the keys {', '.join(known)}")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in found:
                self.at(key, f"{name} is given twice")
            elif name in known:
                found[name] = value
            else:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                self.at(key, f"{what} has no key {name!r}; {hint}")
        return found

    def text(self, node: yaml.Node, what: str) -> str | None:
        """Return a text; anything else is a mistake. ``1`` and ``true`` are texts here, too."""
        if isinstance(node, yaml.ScalarNode) and node.tag != _NULL:
            return str(node.value)
        self.at(node, f"{what} is a text")
        return None

    def items(self, node: yaml.Node, what: str) -> Sequence[yaml.Node]:
        """Return the items of a list that is not empty; anything else is a mistake."""
        if isinstance(node, yaml.SequenceNode) and node.value:
            return list(node.value)
        self.at(node, f"{what} is a list that is not empty")
        return ()

    def number(self, node: yaml.Node, what: str) -> int | float | None:
        """Return a finite number; anything else is a mistake."""
        if isinstance(node, yaml.ScalarNode) and node.tag in {_INT, _FLOAT}:
            try:
                number = int(node.value) if node.tag == _INT else float(node.value)
            except ValueError:  # other notations of YAML: 0x1f, 1:30, .inf
                number = float("inf")
            if abs(number) < 2**63:
                return number
        self.at(node, f"{what} is a number of at most 64 bits, in decimal notation")
        return None

    def _at(self, line: int, column: int, sentence: str) -> None:
        self.mistakes.append(Mistake(line, column, sentence))


class _Loader(yaml.SafeLoader):
    """Composes nodes; a node stands for one place only, so aliases are refused."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "aliases are not supported; write the value again", event.start_mark
            )
        return super().compose_node(parent, index)


def is_null(node: yaml.Node) -> bool:
    """Return whether a node is YAML's null."""
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL


def _is_literal(node: yaml.ScalarNode) -> bool:
    """Return whether the characters of a value stand in the file as they are, on one line."""
    length = node.end_mark.index - node.start_mark.index
    quotes = 2 if node.style in {"'", '"'} else 0
    return node.style not in {"|", ">"} and length - quotes == len(node.value)
