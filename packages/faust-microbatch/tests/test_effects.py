import ctypes
import gc
import os
from typing import Any

import pytest

from faust_microbatch import ProcessEffects, own_process


class Libc:
    """A C library that notes each ``malloc_trim``."""

    def __init__(self) -> None:
        self.trims: list[int] = []
        self.malloc_trim = self.trims.append


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Libc:
    found = Libc()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: found)
    return found


@pytest.fixture(autouse=True)
def _threshold() -> Any:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_nothing_is_done_by_default(libc: Libc) -> None:
    before = gc.get_threshold()
    effects = ProcessEffects()
    effects.started()
    effects.recovered()
    assert effects.exit_process is None
    assert (gc.get_threshold(), libc.trims) == (before, [])


def test_a_process_of_its_own_gets_all_effects(libc: Libc) -> None:
    effects = own_process()
    effects.started()
    effects.recovered()
    assert effects.exit_process is os._exit
    assert (gc.get_threshold()[0], libc.trims) == (50_000, [0])


def test_a_c_library_without_malloc_trim_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    ProcessEffects(trims_memory=True).recovered()
