"""Fuzzing with a budget: some hundred cases in a usual run, hours of them by ``make fuzz``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

Fuzz: TypeAlias = Callable[..., None]

AT_ONCE = 500
"""Cases between two looks at the clock."""


@pytest.fixture
def fuzz(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Fuzz:
    """Return what has hypothesis draw cases from a strategy and examines each.

    ``MEDIGAN_FUZZ_SECONDS`` says how long; without it ``examples`` cases are drawn, the same
    in each run. ``examine`` raises where a case does harm.
    """
    seconds = float(os.environ.get("MEDIGAN_FUZZ_SECONDS", "0"))

    def run(
        strategy: SearchStrategy[Any], examine: Callable[[Any], object], *, examples: int = 200
    ) -> None:
        begin, done, turn = time.monotonic(), 0, 0

        def count(case: Any) -> None:
            nonlocal done
            done += 1
            examine(case)

        while turn == 0 or time.monotonic() - begin < seconds:
            drawn = settings(
                max_examples=AT_ONCE if seconds else examples,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )(given(strategy)(count))
            seed(turn if not seconds else time.time_ns())(drawn)()
            turn += 1
        if seconds:
            with capsys.disabled():
                took = time.monotonic() - begin
                writer = request.config.get_terminal_writer()
                writer.line(f"\n{request.node.name}: {done} cases in {took:.0f} s, none did harm")

    return run


@pytest.fixture
def labelled(install: Any, document: dict[str, Any], drawing: str) -> None:
    """Install ``toy-noise`` with samples of an image, a mask and a label."""
    document["outputs"] += [
        {"name": "mask", "kind": "mask", "shape": [8, 6, 1], "dtype": "uint8", "range": [0, 1]},
        {"name": "side", "kind": "label", "shape": [], "dtype": "int64", "range": [0, 1]},
    ]
    install(document=document, code=drawing)
