"""Cut windows from the regions of the photograph that the model never saw, to judge it by.

    python held_out.py
    medigan evaluate held_out.npy model:singan-fundus --option height=64 --option width=64

Windows come from the left and the right region in turn, at random places, mirrored at
random. They overlap, for the regions are small: intervals of what is measured with them
hold for windows of this photograph, and say nothing of other eyes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from photograph import region

WINDOW = 64
"""Pixels along each side of a window."""


def draw_windows(count: int, seed: int) -> np.ndarray:
    """Draw windows of the held-out regions: (count, 64, 64, 3) uint8."""
    regions = [region("held_out_left"), region("held_out_right")]
    rng = np.random.default_rng(seed)
    windows = []
    for index in range(count):
        image = regions[index % len(regions)]
        top, left = (rng.integers(n - WINDOW + 1) for n in image.shape[:2])
        window = image[top : top + WINDOW, left : left + WINDOW]
        windows.append(window[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])])
    return np.rint(np.stack(windows) * 255).astype(np.uint8)


def main(
    count: Annotated[int, typer.Option("-n", min=2, help="Windows.")] = 200,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the stack.")] = Path(
        "held_out.npy"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed of places and mirroring.")] = 7,
) -> None:
    """Write held-out windows, (n, 64, 64, 3) uint8."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as stream:
        np.save(stream, draw_windows(count, seed))
    typer.echo(f"{count} windows in {out}")


if __name__ == "__main__":
    typer.run(main)
