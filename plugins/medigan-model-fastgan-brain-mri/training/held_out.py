"""Make the simulated slices that the model never saw, to judge it by.

    python held_out.py
    medigan evaluate held_out.npy model:fastgan-brain-mri

They lie at heights between those that training saw, from the lowest up and again, as
many at each; the model draws its heights from the same range, all alike likely. Their
coefficients are their own, from seed 7, which evaluate.py has, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from simulate import Simulator, simulate

from medigan_model_fastgan_brain_mri.height import HIGHEST, LOWEST

HEIGHTS = np.arange(LOWEST + 1, HIGHEST, 2)
"""Heights in mm between those that training saw."""


def held_out(simulator: Simulator, count: int, seed: int) -> np.ndarray:
    """Return held-out slices with masks, (count, 128, 128, 3) float32, as the model's."""
    rng = np.random.default_rng([seed, 0])
    return simulate(simulator, rng, np.resize(HEIGHTS, count))


def main(
    count: Annotated[int, typer.Option("-n", min=2, help="Slices.")] = 450,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the stack.")] = Path(
        "held_out.npy"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed that evaluate.py has.")] = 7,
) -> None:
    """Write held-out slices without masks, (n, 128, 128, 1) uint8."""
    torch.set_num_threads(1)  # so that they come out the same again
    out.parent.mkdir(parents=True, exist_ok=True)
    images = np.rint(held_out(Simulator(), count, seed)[..., :1] * 255).astype(np.uint8)
    with out.open("wb") as stream:
        np.save(stream, images)
    typer.echo(f"{count} slices in {out}")


if __name__ == "__main__":
    typer.run(main)
