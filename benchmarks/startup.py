"""How long the command takes to answer: ``medigan list`` and ``medigan search``.

Each is a process of its own. Prints the first run with an empty cache, the
median of the later ones, and that of an empty Python program on the same
machine to hold it against.
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
    for arguments in (["list"], ["search", "dcgan", "mammography", "BCDR"]):
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "MEDIGAN_CACHE": cache}
            command = [sys.executable, "-m", "medigan_hub", *arguments]
            first = _seconds(command, environment)
            later = statistics.median(_seconds(command, environment) for _ in range(ROUNDS))
        print(f"medigan {arguments[0]:6}, first run  {first:6.3f} s")
        print(f"medigan {arguments[0]:6}, later runs {later:6.3f} s")
    empty = statistics.median(
        _seconds([sys.executable, "-c", ""], dict(os.environ)) for _ in range(ROUNDS)
    )
    print(f"an empty program           {empty:6.3f} s")


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (this very Python)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
