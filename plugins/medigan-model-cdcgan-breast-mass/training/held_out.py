"""Make the simulated patches that the model never saw, to judge it by.

    python held_out.py
    medigan evaluate held_out.npy model:cdcgan-breast-mass --balance

Benign and malignant masses take turns, as ``--balance`` has the model make them.
They are those of the set ``test`` of simulate.py, from the first on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress
from simulate import make_set


def main(
    count: Annotated[int, typer.Option("-n", min=2, help="Patches.")] = 600,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the stack.")] = Path(
        "held_out.npy"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed that simulate.py has.")] = 2026,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = os.cpu_count() or 1,
) -> None:
    """Write held-out patches, (n, 128, 128, 1) uint8."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with Progress() as progress:
        images = make_set("test", count, seed, workers, progress)["images"]
    with out.open("wb") as stream:
        np.save(stream, images[..., np.newaxis])
    typer.echo(f"{count} patches in {out}")


if __name__ == "__main__":
    typer.run(main)
