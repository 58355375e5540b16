"""Toy models, each the code of a plugin's package, for the fixture ``install``."""

from __future__ import annotations

from pathlib import Path

SCAN = {
    "name": "scan",
    "kind": "image",
    "description": "Scan.",
    "channels": ["grey"],
    "modality": "mammography",
    "required": False,
}
"""An input that a toy's metadata may declare."""


def code(name: str) -> str:
    """Return the code of the toy with this name."""
    return (Path(__file__).parent / f"{name}.py").read_text("utf-8")
