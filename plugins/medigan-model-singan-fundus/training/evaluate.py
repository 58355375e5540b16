"""Measure how close samples come to the photograph, and how much they differ.

Three measures of samples of the usual size, taken without a network.

* The sliced Wasserstein distance of patches (see ``medigan_hub.evaluation``)
  between windows of 64 x 64 pixels: of samples, of their layouts merely enlarged
  (what the scales had to add to), of the training region and of two regions of
  the same photograph that training never saw. The distance between the regions
  is what two pieces of one fundus differ by.
* Diversity, after Shaham, Dekel & Michaeli, ICCV 2019,
  https://doi.org/10.1109/ICCV.2019.00467: the standard deviation of each pixel
  over many samples, averaged, divided by that of the training image's grey
  levels. Also with the layout kept and the noise alone drawn anew.
* Mean and standard deviation of each colour channel.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as nnf
import typer
from photograph import region
from rich.console import Console
from rich.progress import track
from rich.table import Table
from safetensors.torch import load_file

from medigan_hub.plugin import compare, level_sizes
from medigan_model_singan_fundus import BOUNDS, COARSE, FACTOR, SCALES, FundusNetwork
from medigan_model_singan_fundus.layout import draw_coordinates, sample_image

WEIGHTS = Path(__file__).parents[1] / "medigan_model_singan_fundus/weights/generator.safetensors"
LOG = Console(stderr=True)  # standard output is for the result
SIZE = (96, 144)
WINDOW = 64


def make_samples(
    weights: Path, count: int, seed: int, *, same_layout: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Make samples as the model does, and enlarge their layouts to as many pixels.

    Both are (count, height, width, 3) float32 in [0, 1], in whole 8-bit levels.
    """
    tensors = load_file(weights)
    network = FundusNetwork(tensors).eval()
    source = tensors["layout"].movedim(0, -1).numpy()
    sizes = level_sizes(SCALES, FACTOR, *SIZE)
    low, high = network.get_buffer("colours")
    samples, enlarged = [], []
    for index in track(range(count), "samples", console=LOG):
        rng = np.random.default_rng([seed, 0 if same_layout else index])
        place = draw_coordinates(rng, SIZE, BOUNDS, COARSE)
        layout = torch.from_numpy(sample_image(source, place, COARSE)).movedim(-1, 0)[None]
        rng = np.random.default_rng([seed, 1, index])
        noise = [
            torch.from_numpy(rng.standard_normal((1, 3, *size), dtype=np.float32)) for size in sizes
        ]
        with torch.inference_mode():
            samples.append(network(layout, *noise))
            larger = nnf.interpolate(layout, SIZE, mode="bicubic", align_corners=False)
            enlarged.append(low + (high - low) * (larger + 1) / 2)
    found = (torch.cat(images).movedim(1, -1).numpy() for images in (samples, enlarged))
    one, other = (np.rint(images.clip(0, 1) * 255).astype(np.float32) / 255 for images in found)
    return one, other


def draw_windows(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw square windows of (N, height, width, 3) ``images`` in turn, mirrored at random."""
    windows = []
    for index in range(count):
        image = images[index % len(images)]
        top, left = (rng.integers(n - WINDOW + 1) for n in image.shape[:2])
        window = image[top : top + WINDOW, left : left + WINDOW]
        windows.append(window[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])])
    return np.stack(windows)


def diversity(samples: np.ndarray, real: np.ndarray) -> float:
    """Return the deviation of a pixel over samples as a fraction of that in ``real``."""
    return float(samples.mean(axis=-1).std(axis=0).mean() / real.mean(axis=-1).std())


def main(
    weights: Annotated[Path, typer.Option(help="Weights of the model.")] = WEIGHTS,
    limit: Annotated[int, typer.Option(min=4, help="Samples and windows per set.")] = 200,
    resamples: Annotated[int, typer.Option(min=2, help="Bootstrap resamples.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of samples and windows.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Compare samples, the training region and the held-out regions."""
    start = time.perf_counter()
    torch.set_num_threads(1)
    training = region("training")
    held_out = [region("held_out_left"), region("held_out_right")]
    samples, layouts = make_samples(weights, limit, seed)
    alike, _ = make_samples(weights, min(limit, 50), seed, same_layout=True)
    rng = np.random.default_rng(seed)

    def windows(*images: np.ndarray) -> np.ndarray:
        sets = [draw_windows(image, -(-limit // len(images)), rng) for image in images]
        return np.concatenate(sets)[:limit]

    drawn = {
        "samples": windows(samples),
        "layouts": windows(layouts),
        "training": windows(training[None]),
        "held_out": windows(*(image[None] for image in held_out)),
    }
    report: dict[str, object] = {"windows_per_set": limit}
    to_training = {name: drawn[name] for name in ("samples", "layouts", "held_out")}
    to_training["training_again"] = windows(training[None])
    to_held_out = {name: drawn[name] for name in ("samples", "layouts", "training")}
    one, other = (windows(image[None]) for image in held_out)
    distances = {
        "to_training": compare(to_training, drawn["training"], resamples=resamples, seed=seed),
        "to_held_out": compare(to_held_out, drawn["held_out"], resamples=resamples, seed=seed),
        "held_out_left_to_right": compare({"held_out": one}, other, resamples=resamples, seed=seed),
    }
    report["sliced_wasserstein"] = {
        reference: {name: {"value": v, "spread": s} for name, (v, s) in found.items()}
        for reference, found in distances.items()
    }
    report["diversity"] = {
        "samples": diversity(samples, training),
        "same_layout": diversity(alike, training),
    }
    pixels = {"samples": samples, "training": training[None]}
    report["colour"] = {
        name: {"mean": each.mean(axis=(0, 1, 2)).tolist(), "std": each.std(axis=(0, 1, 2)).tolist()}
        for name, each in pixels.items()
    }
    report["seconds"] = round(time.perf_counter() - start, 1)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    table = Table(title="sliced Wasserstein distance of patches")
    for column in ("reference", "set", "distance"):
        table.add_column(column, no_wrap=True)
    for reference, found in distances.items():
        for name, (value, spread) in found.items():
            table.add_row(reference, name, f"{value:.3f} ± {spread:.3f}")
    screen = Console()
    if not screen.is_terminal:
        screen.width = 120  # a pipe has no width; nothing is to be cut off
    rest = {name: report[name] for name in ("diversity", "colour")}
    screen.print(table, rest, f"{report['seconds']} s", sep="\n")


if __name__ == "__main__":
    typer.run(main)
