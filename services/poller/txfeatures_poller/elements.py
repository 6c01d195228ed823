"""The elements of ``txs`` in the body of an answer, found without reading them [pure].

A body is not decoded as a whole, since one odd element would then cost all the others. Brackets
and strings are followed to the end of each element, and each element is judged alone. After an
element without an end, as a missing quote or bracket leaves it, the next one is found by the way
in which the source begins a transaction.
"""

import re
from dataclasses import dataclass, field

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.wire import decode_transaction

MAX_STEPS = 1_000_000
"""Brackets and members followed in a body; 64 MiB of real transactions have 620,000 brackets."""

MAX_SEARCHED_BYTES = 64 * 1024 * 1024
"""Bytes that elements without an end may make the scan pass again: 500 times a usual body."""

_LONGEST_SEPARATOR = 64  # that is cut from the end of an element without an end
_LONGEST_HEAD = 64  # of a transaction: up to the name of its first member

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_head = re.compile(rb"(?:\xef\xbb\xbf)?\s*+\{").match
_separators = re.compile(rb"[\s,]*+").match
_name = re.compile(_STRING + rb"\s*+:\s*+", re.DOTALL).match
_up_to_bracket = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+", re.DOTALL).match
_scalar = re.compile(_STRING + rb'|[^"\[\]{},\s]++', re.DOTALL).match
_transaction = re.compile(rb'\{\s*+"hash"\s*+:').search
_txs = re.compile(rb'"txs"\s*+:').match

_OPENING = b"[{"
_OPENED_BY = {ord("]"): ord("["), ord("}"): ord("{")}


class TooManyError(Exception):
    """A body with more elements, or more structure, than is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The body of an answer, split.

    Attributes:
        elements: The elements of ``txs``, byte for byte; None if there is no such array.
        is_whole: True if the body is an object in which each element has an end.
    """

    elements: list[bytes] | None
    is_whole: bool


def split(body: bytes | bytearray, *, max_elements: int) -> Split:
    """Split the body of an answer into the elements of its ``txs``.

    Raises:
        TooManyError: There are more than ``max_elements``, or the scan takes too many steps.
    """
    scan = _Scan(body, max_elements)
    head = _head(body)
    if head is None:
        return Split(elements=None, is_whole=False)
    is_whole = scan.members(head.end())
    return Split(elements=scan.elements, is_whole=is_whole and not scan.was_resumed)


@dataclass(slots=True)
class _Scan:
    body: bytes | bytearray
    max_elements: int
    elements: list[bytes] | None = None
    was_resumed: bool = False
    _steps: int = 0
    _searched_bytes: int = 0
    _opened: bytearray = field(default_factory=bytearray)

    def members(self, at: int) -> bool:
        """Scan the members of the object from ``at``; return whether it ends as it should."""
        while True:
            self._step()
            at = self._skip_separators(at)
            name = _name(self.body, at)
            if name is None:
                break
            if _txs(self.body, at) and self.body[name.end() : name.end() + 1] == b"[":
                at = self._array(name.end() + 1)
                continue
            end = self._end(name.end())
            if end is None:
                return False
            at = end
        if self.body[at : at + 1] == b"}" and self._skip_separators(at + 1) == len(self.body):
            return True
        if self.elements is not None and at < len(self.body):
            self._array(self._resume(at, search_from=at))
        return False

    def _array(self, at: int) -> int:
        """Collect elements from ``at``; return the position after the array."""
        if self.elements is None:
            self.elements = []
        while True:
            at = self._skip_separators(at)
            if at == len(self.body):
                return at
            if self.body[at] == ord("]"):
                return at + 1
            end = self._end(at)
            if end is None or self._is_astray(at, end):
                at = self._resume(at, search_from=at + 1)
            else:
                self._add(at, end)
                at = end

    def _end(self, at: int) -> int | None:
        """Return the end of the value that begins at ``at``, None if it has none."""
        if at == len(self.body) or self.body[at] not in _OPENING:
            self._step()
            scalar = _scalar(self.body, at)
            return scalar and scalar.end()
        opened = self._opened
        opened.clear()
        while True:
            match = _up_to_bracket(self.body, at)
            at = match.end() if match else at
            if at == len(self.body) or self.body[at] == ord('"'):
                return None
            self._step()
            opening = _OPENED_BY.get(self.body[at])
            if opening is None:
                opened.append(self.body[at])
            elif opened.pop() != opening:
                return None
            at += 1
            if not opened:
                return at

    def _is_astray(self, at: int, end: int) -> bool:
        """Return whether an odd element has swallowed a transaction: its own end is missing."""
        found = _transaction(self.body, at + 1, end + _LONGEST_HEAD)
        if found is None or found.start() >= end:
            return False
        try:
            decode_transaction(bytes(memoryview(self.body)[at:end]))
        except InvalidMessageError:
            return True
        return False

    def _resume(self, at: int, *, search_from: int) -> int:
        """Return the beginning of the next transaction; the bytes up to it are one element."""
        self.was_resumed = True
        self._searched_bytes += len(self.body) - at
        if self._searched_bytes > MAX_SEARCHED_BYTES:
            raise TooManyError("too many elements have no end")
        found = _transaction(self.body, search_from)
        end = found.start() if found else len(self.body)
        before = bytes(self.body[max(at, end - _LONGEST_SEPARATOR) : end])
        if before:
            self._add(at, end - len(before) + len(before.rstrip(b" \t\r\n,")))
        return end

    def _add(self, start: int, end: int) -> None:
        if self.elements is None or len(self.elements) == self.max_elements:
            raise TooManyError(f"there are more than {self.max_elements} elements")
        self.elements.append(bytes(memoryview(self.body)[start:end]))

    def _skip_separators(self, at: int) -> int:
        match = _separators(self.body, at)
        return match.end() if match else at

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise TooManyError(f"there are more than {MAX_STEPS} brackets and members")
