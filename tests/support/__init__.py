"""What tests of several rooms use: servers on loopback, stand-ins, toy models, and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
"""This project's folder."""
REFERENCE = Path(__file__).parent / "reference"
"""What published networks and lists are known to give."""


def in_shards(save: Callable[..., Any], size: int) -> Callable[..., Any]:
    """Return ``Hub.save``, or what calls it, with so many samples in a shard of webdataset."""

    def make(*arguments: Any, **wishes: Any) -> Any:
        if wishes.get("format") == "webdataset":
            wishes.setdefault("shard_size", size)
        return save(*arguments, **wishes)

    return make
