"""How long the command takes to answer: ``medigan list`` as a process of its own.

Prints the first run with an empty cache, the median of the later ones, and
that of an empty Python program on the same machine to hold it against.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 9


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "MEDIGAN_CACHE": cache}
        listing = [sys.executable, "-m", "medigan_hub", "list"]
        first = _seconds(listing, environment)
        later = statistics.median(_seconds(listing, environment) for _ in range(ROUNDS))
        empty = statistics.median(
            _seconds([sys.executable, "-c", ""], environment) for _ in range(ROUNDS)
        )
    print(f"medigan list, first run  {first:6.3f} s")
    print(f"medigan list, later runs {later:6.3f} s")
    print(f"an empty program         {empty:6.3f} s")


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
