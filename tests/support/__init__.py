"""What tests of several rooms use: servers on loopback, stand-ins, toy models, and files."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
"""This project's folder."""
REFERENCE = Path(__file__).parent / "reference"
"""What published networks and lists are known to give."""
