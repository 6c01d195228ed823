"""A declaration read from its file: every mistake is found before anything starts [pure]."""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

import yaml

from txfeatures.domain.features.building import derivation, derived, folded
from txfeatures.domain.features.declaration import Declaration
from txfeatures.domain.features.document import Document
from txfeatures.domain.features.draft import Draft, draft_of
from txfeatures.domain.features.kinds import MINUTE, ComputedFeature, Window
from txfeatures.domain.features.quality import AFTER, BEFORE, COUNT

DEFAULT_NAME = "features.yaml"
VERSION = 1
MOST_COLUMNS = 2_500
"""Features of a feature group (its API's model)."""

LONGEST_NAME = 64
"""Characters of the name of a feature of a feature group."""

_COUNT_MISSING = (
    "a declaration has the feature `{name: total_nb_trx, aggregate: count, ...}` without `where`: "
    "the audit compares it"
)


@cache
def default() -> Declaration:
    """Return the declaration that is shipped with the product."""
    return read(default_text(), name=DEFAULT_NAME)


def default_text() -> str:
    """Return the file of the declaration that is shipped with the product."""
    return files("txfeatures.domain.features").joinpath(DEFAULT_NAME).read_text("utf-8")


def read(text: str, *, name: str, allowed_lateness_s: int = 24 * 3600) -> Declaration:
    """Return the declaration that a file holds.

    Args:
        text: Its text.
        name: Its name, for errors.
        allowed_lateness_s: The longest window.

    Raises:
        DeclarationError: It has mistakes; each is described with its place.
    """
    document = Document(name=name)
    root = document.root(text)
    entries = document.entries(root, ("version", "features"), what="a declaration")
    _check_version(document, root, entries.get("version"))
    if "features" not in entries:
        document.at(root, "`features` is missing")
        raise document.error()
    items = document.items(entries["features"], "`features`")
    drafts = [found for item in items if (found := draft_of(document, item))]
    computed = _Features(drafts, Window(max(allowed_lateness_s // 60, 1))).all()
    if not document.mistakes and _count_of(computed) != "count()":
        document.at(entries["features"], _COUNT_MISSING)
    if document.mistakes:
        raise document.error()
    return Declaration(computed=computed)


def _check_version(document: Document, root: yaml.Node, version: yaml.Node | None) -> None:
    if version is None:
        document.at(root, f"`version: {VERSION}` is missing")
    elif not isinstance(version, yaml.ScalarNode) or version.value != str(VERSION):
        document.at(version, f"this release reads version {VERSION} of declarations")


def _count_of(computed: Sequence[ComputedFeature]) -> str:
    return next((feature.meaning for feature in computed if feature.name == COUNT), "")


class _Features:
    """The features of all drafts: first the folded ones, then those derived from them."""

    def __init__(self, drafts: Sequence[Draft], longest: Window) -> None:
        self._drafts = drafts
        self._windows = [draft.windows(longest) for draft in drafts]
        self._made: dict[int, list[ComputedFeature]] = {}
        self._derived: dict[str, int] = {}
        self._names: list[str] = []

    def all(self) -> tuple[ComputedFeature, ...]:
        """Return the features in the order of the columns; those with mistakes are left out."""
        for place, draft in enumerate(self._drafts):
            if ("aggregate" in draft.texts) == ("expression" in draft.texts):
                draft.fail(
                    "expression", "a feature has an `aggregate` or an `expression`, not both"
                )
            elif "expression" in draft.texts:
                draft.refuse("an `expression`", "from", "where", "quantiles", "resolution")
                self._derived.setdefault(draft.name, place)
            else:
                self._fold(place)
        made = (feature.base for features in self._made.values() for feature in features)
        failed = (draft.name for draft in self._drafts if draft.failed)
        self._names = sorted({*made, *failed, *self._derived})
        for place in list(self._derived.values()):
            self._derive(place, ())
        columns = list(self._columns())
        _check_names(columns)
        return tuple(feature for _, feature in columns)

    def _columns(self) -> Iterator[tuple[Draft, ComputedFeature]]:
        for place, draft in enumerate(self._drafts):
            for feature in self._made.get(place, ()):
                yield draft, feature

    def _fold(self, place: int) -> None:
        draft, (first, *others) = self._drafts[place], self._windows[place] or [MINUTE]
        made = folded(draft, first)
        # The other windows have the same mistakes, if any.
        rest = [feature for window in others if made for feature in folded(draft, window)]
        self._made[place] = [*made, *rest]

    def _derive(self, place: int, users: tuple[str, ...]) -> None:
        """Make a derived feature after those that it uses; ``users`` are waiting for it."""
        draft = self._drafts[place]
        if draft.failed or place in self._made:
            return
        if draft.name in users:
            circle = " -> ".join([*users[users.index(draft.name) :], draft.name])
            draft.fail("expression", f"it is derived from itself: {circle}")
            return
        expression = derivation(draft, self._names)
        if expression is None or draft.failed:
            return
        for used in sorted(expression.names & self._derived.keys()):
            self._derive(self._derived[used], (*users, draft.name))
        if draft.failed:
            return
        made: list[ComputedFeature] = []
        for window in self._windows[place]:
            inputs = {name: self._find(name, window) for name in sorted(expression.names)}
            known = {name: feature for name, feature in inputs.items() if feature}
            if len(known) == len(inputs):
                made.append(derived(draft, window, expression, known))
            else:
                self._lacks(draft, window, min(inputs.keys() - known.keys()))
        self._made[place] = made

    def _find(self, base: str, window: Window) -> ComputedFeature | None:
        made = (feature for features in self._made.values() for feature in features)
        return next((f for f in made if (f.base, f.window) == (base, window)), None)

    def _lacks(self, draft: Draft, window: Window, name: str) -> None:
        if any(other.name == name and other.failed for other in self._drafts):
            draft.failed = True  # the mistake is noted there
        else:
            draft.fail("expression", f"{name} has no window {window}")


def _check_names(columns: Sequence[tuple[Draft, ComputedFeature]]) -> None:
    taken = {f.name: "is reserved for the row itself" for f in (*BEFORE, *AFTER)}
    for number, (draft, feature) in enumerate(columns, start=len(taken) + 1):
        if feature.name in taken:
            draft.fail("name", f"the column {feature.name} {taken[feature.name]}")
        elif feature.name.startswith("window_coverage_"):
            draft.fail("name", f"the column {feature.name} is reserved for the row itself")
        elif len(feature.name) > LONGEST_NAME:
            sentence = f"the column {feature.name} has more than {LONGEST_NAME} characters"
            draft.fail("name", sentence)
        if number == MOST_COLUMNS + 1:
            draft.fail("name", f"a feature group has at most {MOST_COLUMNS:,} features")
        line = draft.node.start_mark.line + 1
        taken.setdefault(feature.name, f"is declared on line {line} already")
