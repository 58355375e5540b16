"""Measure how close generated brain slices are to held-out simulated ones.

Held-out slices are those of ``held_out.py``, at heights between those that
training saw, from coefficients of their own. How far generated images are from
them, ``medigan evaluate`` says. Measured here is what it can't know of:

* how much the areas of grey and white matter differ on average, in bins of
  10 mm of height;
* the Dice coefficient on held-out slices of a U-Net that was trained on
  generated slices, against one trained on simulated slices of the heights that
  the generator saw ("train on synthetic, test on real");
* the Dice coefficient between masks that were generated and those that the
  second U-Net finds in the same images: whether masks and images agree;
* the mean difference between two slices of one height: whether there is as much
  variety.

Each is measured of a second held-out set, too: the best that can be reached.

Source of the U-Net: Ronneberger et al., "U-Net: convolutional networks for
biomedical image segmentation", MICCAI 2015,
https://doi.org/10.1007/978-3-319-24574-4_28.
"""

from __future__ import annotations

import json
import time
from itertools import combinations, pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as nnf
import typer
from held_out import HEIGHTS, held_out
from rich.console import Console
from rich.progress import track
from rich.table import Table
from simulate import COEFFICIENTS, Simulator, as_delivered, simulate
from torch import nn

from medigan_hub.plugin import FastGan, read_tensors
from medigan_model_fastgan_brain_mri.height import HIGHEST, LOWEST, encode

PACKAGE = Path(__file__).parents[1] / "medigan_model_fastgan_brain_mri"
LOG = Console(stderr=True)  # standard output is for the result
SEEN = np.arange(LOWEST, HIGHEST + 1, 2)
"""Heights in mm that training saw."""
BIN = 10.0
"""Millimetres of height over which areas are averaged."""
PER_HEIGHT = 12
"""Slices of one height that are compared with each other."""
TISSUES = ("grey", "white")


class UNet(nn.Module):
    """Segments grey and white matter: (N, 1, 128, 128) in [0, 1] to (N, 2, 128, 128) logits."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.down = nn.ModuleList(
            _convolutions(before, after) for before, after in pairwise([1, *widths])
        )
        self.up = nn.ModuleList(
            _convolutions(deep + shallow, shallow)
            for deep, shallow in ((widths[2], widths[1]), (widths[1], widths[0]))
        )
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels: list[torch.Tensor] = []
        for layer in self.down:
            x = layer(nnf.max_pool2d(x, 2) if levels else x)
            levels.append(x)
        for layer, skipped in zip(self.up, levels[-2::-1], strict=True):
            x = layer(torch.cat([nnf.interpolate(x, scale_factor=2), skipped], dim=1))
        logits: torch.Tensor = self.last(x)
        return logits


def _convolutions(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


@torch.no_grad()
def generate(network: FastGan, rng: np.random.Generator, heights: np.ndarray) -> np.ndarray:
    """Make one slice at each of the heights, in the form of :func:`as_delivered`."""
    latents = rng.standard_normal((len(heights), COEFFICIENTS), dtype=np.float32)
    z = torch.from_numpy(np.concatenate([latents, encode(heights)], axis=1))
    return as_delivered(torch.cat([network(part) for part in z.split(16)]))


def area_difference(one: np.ndarray, other: np.ndarray, heights: np.ndarray) -> dict[str, float]:
    """Return the mean absolute difference of tissue areas, as a share of ``other``'s.

    Areas are averaged over the slices of a bin of height first.
    """
    bins = ((heights - LOWEST) // BIN).astype(int)
    found = {}
    for channel, tissue in enumerate(TISSUES, start=1):
        areas = [slices[..., channel].mean(axis=(1, 2)) for slices in (one, other)]
        first, second = (
            np.array([area[bins == n].mean() for n in np.unique(bins)]) for area in areas
        )
        found[tissue] = float((np.abs(first - second) / second).mean())
    return found


def train_unet(slices: np.ndarray, steps: int, seed: int, name: str) -> UNet:
    """Train a U-Net on (N, height, width, 3) slices, in batches of 8."""
    torch.manual_seed(seed)
    network, rng = UNet(), np.random.default_rng(seed)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)
    for _ in track(range(steps), f"U-Net on {name} slices", console=LOG):
        batch = torch.from_numpy(slices[rng.integers(len(slices), size=8)]).movedim(-1, 1)
        loss = nnf.binary_cross_entropy_with_logits(network(batch[:, :1]), batch[:, 1:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


@torch.no_grad()
def dice(network: UNet, slices: np.ndarray) -> dict[str, float]:
    """Return the mean Dice coefficient of the masks found and given, by tissue.

    Slices that show none of a tissue are left out.
    """
    given = torch.from_numpy(slices).movedim(-1, 1)
    found = torch.cat([network(part[:, :1]) > 0 for part in given.split(16)])
    both = (found * given[:, 1:]).sum(dim=(2, 3))
    total = found.sum(dim=(2, 3)) + given[:, 1:].sum(dim=(2, 3))
    shown = given[:, 1:].sum(dim=(2, 3)) > 0
    return {
        tissue: float((2 * both[:, n] / total[:, n])[shown[:, n]].mean())
        for n, tissue in enumerate(TISSUES)
    }


def variety(slices: np.ndarray) -> float:
    """Return the mean absolute difference of images, in grey levels, within runs of one height."""
    runs = slices[..., 0].reshape(-1, PER_HEIGHT, *slices.shape[1:3])
    pairs = combinations(range(PER_HEIGHT), 2)
    return 255 * float(np.mean([np.abs(runs[:, i] - runs[:, j]).mean() for i, j in pairs]))


def main(
    weights: Annotated[Path, typer.Option(help="Weights of the generator.")] = (
        PACKAGE / "weights/generator.safetensors"
    ),
    limit: Annotated[int, typer.Option(min=8, help="Slices in each set.")] = 450,
    unet_steps: Annotated[int, typer.Option(min=1, help="Training steps of a U-Net.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Of slices and U-Nets.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Compare generated and simulated slices with held-out simulated slices."""
    start = time.perf_counter()
    torch.set_num_threads(1)  # so that the figures come out the same again
    simulator, network = Simulator(), FastGan.from_state_dict(read_tensors(weights), noise=False)
    streams = [np.random.default_rng([seed, n]) for n in range(6)]  # the first is held_out's
    heights = np.resize(HEIGHTS, limit)
    reference = held_out(simulator, limit, seed)
    sets = {
        "synthetic": generate(network, streams[1], heights),
        "real": simulate(simulator, streams[2], heights),
    }
    training = {
        "synthetic": sets["synthetic"],
        "real": simulate(simulator, streams[3], np.resize(SEEN, limit)),
    }

    report: dict[str, object] = {"slices_per_set": limit, "unet_steps": unet_steps}
    rows: dict[str, dict[str, float]] = {}
    areas = {key: area_difference(slices, reference, heights) for key, slices in sets.items()}
    for tissue in TISSUES:
        rows[f"area_difference.{tissue}"] = {key: found[tissue] for key, found in areas.items()}
    segmenters = {key: train_unet(s, unet_steps, seed, key) for key, s in training.items()}
    scores = {key: dice(segmenter, reference) for key, segmenter in segmenters.items()}
    agreement = {key: dice(segmenters["real"], slices) for key, slices in sets.items()}
    for tissue in TISSUES:
        rows[f"unet_dice.{tissue}"] = {key: found[tissue] for key, found in scores.items()}
    for tissue in TISSUES:
        rows[f"mask_agreement.{tissue}"] = {key: found[tissue] for key, found in agreement.items()}
    runs = HEIGHTS[2::5].repeat(PER_HEIGHT)
    rows["variety"] = {
        "synthetic": variety(generate(network, streams[4], runs)),
        "real": variety(simulate(simulator, streams[5], runs)),
    }
    report |= rows | {"seconds": round(time.perf_counter() - start, 1)}
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    table = Table(title="compared with held-out simulated slices")
    for column in ("", "generated", "simulated"):
        table.add_column(column, no_wrap=True)
    for metric, row in rows.items():
        cells = [f"{row[key]:.3f}" for key in ("synthetic", "real")]
        table.add_row(metric, *cells)
    screen = Console()
    if not screen.is_terminal:
        screen.width = 120  # a pipe has no width; nothing is to be cut off
    screen.print(table, f"{limit} slices in each set; {report['seconds']} s", sep="\n")


if __name__ == "__main__":
    typer.run(main)
