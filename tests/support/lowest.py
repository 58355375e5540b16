"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

``python lowest.py [EXTRA…]`` prints those of the hub itself and of these extras.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import tomllib


def bounds(extras: list[str]) -> list[str]:
    """Return ``name==version`` of each requirement that has a lower bound."""
    path = Path(__file__).parents[2] / "pyproject.toml"
    project = tomllib.loads(path.read_text("utf-8"))["project"]
    wanted = [*project["dependencies"]]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    found = (re.fullmatch(r"([A-Za-z0-9._-]+)>=([0-9.]+)", each) for each in wanted)
    return sorted({f"{match[1]}=={match[2]}" for match in found if match})


if __name__ == "__main__":
    print(*bounds(sys.argv[1:]), sep="\n")  # noqa: T201 (what it is for)
