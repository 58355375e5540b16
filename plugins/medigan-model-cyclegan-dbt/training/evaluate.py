"""Measure how close translated mammograms come to tomosynthesis slices.

Three sets are compared with one held-out set of simulated slices, the
reference: (a) held-out mammograms as they are, (b) the same mammograms
translated, (c) another held-out set of simulated slices. No set shares a
breast with the training set or the reference. (c) is the floor, the distance
that two samples of the same distribution show. The gap closed by translation
is (a - b) / (a - c).

Two distances of different kinds are measured; no network takes part:

* the Fréchet distance of image features in the breast (see
  :func:`features`), standardised with the reference set's means and deviations;
* the sliced Wasserstein distance of 7 x 7 patches of the Laplacian pyramid,
  after Karras et al., "Progressive growing of GANs for improved quality,
  stability, and variation", ICLR 2018, https://arxiv.org/abs/1710.10196. Here
  patches lie in the breast and are standardised with the reference set's mean
  and deviation, so that contrast counts too.

The Fréchet distance between Gaussian fits follows Heusel et al., "GANs trained
by a two time-scale update rule converge to a local Nash equilibrium", NeurIPS
2017, https://arxiv.org/abs/1706.08500. Spreads come from resampling images with
replacement, in all sets.
"""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from safetensors.torch import load_file
from scipy import ndimage

from medigan_hub.plugin import ResnetTranslator

WEIGHTS = Path(__file__).parents[1] / "medigan_model_cyclegan_dbt/weights/generator.safetensors"
LOG = Console(stderr=True)  # standard output is for the result
LEVELS = 4
PATCHES = 48
DIRECTIONS = 128
# Distances in pixels from the skin line between which the mean grey level is taken.
RIM = (0, 2, 4, 8, 16)


def breast_mask(image: np.ndarray) -> np.ndarray:
    """Return where (height, width) ``image`` in [0, 1] shows the breast, as bool."""
    bright = ndimage.uniform_filter(image, 3) > 0.08
    labels, count = ndimage.label(bright)
    if count == 0:
        return np.ones(image.shape, bool)
    return ndimage.binary_fill_holes(labels == np.bincount(labels.ravel())[1:].argmax() + 1)


def laplacian_pyramid(image: np.ndarray) -> list[np.ndarray]:
    """Split (height, width) ``image`` into bands, each of half the size of the one before."""
    bands = []
    for _ in range(LEVELS - 1):
        low = ndimage.gaussian_filter(image, 1.0, mode="reflect")
        bands.append(image - low)
        image = low[::2, ::2]
    return [*bands, image]


def features(image: np.ndarray) -> np.ndarray:
    """Describe the breast in (height, width) ``image`` in [0, 1] by 37 numbers.

    They are: mean, deviation, skewness, kurtosis and five percentiles of the
    grey levels (9); deviation (log) and kurtosis (log) of the bands of the
    Laplacian pyramid (8); mean absolute difference along the sweep, its
    ratio to that across it (logs), at two scales, and the share of strong
    differences (6); log power in eight rings of spatial frequency, of the
    windowed breast (8); kurtosis of both differences (2); grey level in four
    rims under the skin, relative to the mean (4).
    """
    mask = breast_mask(image)
    values = image[mask]
    mean, deviation = values.mean(), values.std() + 1e-6
    scaled = (values - mean) / deviation
    found = [mean, deviation, (scaled**3).mean(), np.log((scaled**4).mean())]
    found += list(np.percentile(values, (5, 25, 50, 75, 95)))

    for level, band in enumerate(laplacian_pyramid(image)):
        part = band[mask[:: 2**level, :: 2**level]]
        spread = part.std() + 1e-5
        found += [np.log(spread), np.log((((part - part.mean()) / spread) ** 4).mean() + 1e-6)]

    core = ndimage.binary_erosion(mask, iterations=3)
    core = core if core.any() else mask
    for sigma in (0.0, 2.0):
        smooth = ndimage.gaussian_filter(image, sigma) if sigma else image
        along, across = (np.abs(np.diff(smooth, axis=axis, append=0))[core] for axis in (0, 1))
        sweep, other = np.log(along.mean() + 1e-5), np.log(across.mean() + 1e-5)
        found += [sweep, sweep - other, (along > 3 * along.mean()).mean()]
        if not sigma:
            for difference in (along, across):
                square = difference**2
                found.append(np.log((square**2).mean() / (square.mean() ** 2 + 1e-12) + 1e-6))

    soft = ndimage.gaussian_filter(core.astype(np.float32), 3.0)
    power = np.abs(np.fft.fft2((image - mean) * soft)) ** 2 / (soft**2).sum()
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in image.shape), indexing="ij"))
    edges = np.geomspace(0.02, 0.5, 9)
    ring = np.digitize(radius, edges).ravel()
    total, count = np.bincount(ring, power.ravel(), 10), np.bincount(ring, minlength=10)
    found += list(np.log(total / np.maximum(count, 1) + 1e-8)[1:9])

    depth = ndimage.distance_transform_edt(mask)
    for near, far in itertools.pairwise(RIM):
        rim = (depth > near) & (depth <= far)
        found.append(image[rim].mean() - mean if rim.any() else 0.0)
    return np.array(found, np.float64)


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the squared Fréchet distance of Gaussians fitted to two (images, features) arrays."""
    first, second = (np.cov(rows, rowvar=False) for rows in (one, other))
    # The product of two covariances has real eigenvalues that are not negative.
    roots = np.sqrt(np.clip(np.linalg.eigvals(first @ second).real, 0, None)).sum()
    offset = one.mean(axis=0) - other.mean(axis=0)
    return float(offset @ offset + np.trace(first) + np.trace(second) - 2 * roots)


def draw_patches(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw 7 x 7 patches in the breast, (levels, PATCHES, 49) float32."""
    mask = breast_mask(image)
    drawn = []
    for level, band in enumerate(laplacian_pyramid(image)):
        rows, columns = np.nonzero(mask[:: 2**level, :: 2**level])
        chosen = rng.integers(len(rows), size=PATCHES)
        padded = np.pad(band, 3, mode="reflect" if min(band.shape) > 3 else "edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7))
        drawn.append(windows[rows[chosen], columns[chosen]].reshape(PATCHES, 49))
    return np.stack(drawn).astype(np.float32)


def project_patches(patches: np.ndarray, scale: np.ndarray, rng_seed: int) -> np.ndarray:
    """Project patches, (images, levels, PATCHES, 49), on random directions.

    ``scale`` is (levels, 2): mean and deviation. Returns (levels, images,
    PATCHES, DIRECTIONS) float32.
    """
    directions = np.random.default_rng(rng_seed).standard_normal((49, DIRECTIONS))
    directions = (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
    means, deviations = (scale[:, i, None, None].astype(np.float32) for i in (0, 1))
    return np.moveaxis((patches - means) / deviations @ directions, 1, 0)


def sliced_wasserstein(one: np.ndarray, other: np.ndarray) -> float:
    """Return the mean distance over levels of two results of :func:`project_patches`."""
    total = 0.0
    for first, second in zip(one, other, strict=True):
        flat = (np.sort(a.reshape(-1, DIRECTIONS), axis=0) for a in (first, second))
        total += float(np.abs(np.subtract(*flat)).mean())
    return total / len(one)


@torch.no_grad()
def translate(network: ResnetTranslator, images: np.ndarray) -> np.ndarray:
    """Translate (images, size, size) in [0, 1] one by one, as the model does."""
    translated = [
        network(torch.from_numpy(image * 2 - 1)[None, None])[0, 0].numpy() / 2 + 0.5
        for image in track(images, "translating", console=LOG)
    ]
    # Eight bits, as all other sets were stored.
    return np.round(np.clip(np.stack(translated), 0, 1) * 255).astype(np.float32) / 255


def summarise(values: dict[str, float], samples: dict[str, np.ndarray]) -> dict[str, float]:
    """Add the gap closed, and what resampling makes of all of it, to the three distances."""
    a, b, c = (samples[name] for name in ("mammograms", "translated", "floor"))
    gaps = (a - b) / (a - c)
    low, high = np.percentile(gaps, (2.5, 97.5))
    result = dict(values)
    result.update({f"{name}_deviation": float(each.std()) for name, each in samples.items()})
    closed = values["mammograms"] - values["translated"]
    result["gap_closed"] = closed / (values["mammograms"] - values["floor"])
    result.update(gap_closed_low=float(low), gap_closed_high=float(high))
    return result


def compare(sets: dict[str, np.ndarray], resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """Measure both distances of the sets named in :func:`summarise` to ``sets["reference"]``."""
    described = {}
    for name, images in sets.items():
        shown = track(images, f"features, {name}", console=LOG)
        described[name] = np.stack([features(image) for image in shown])
    mean, deviation = described["reference"].mean(axis=0), described["reference"].std(axis=0)
    described = {name: (rows - mean) / (deviation + 1e-9) for name, rows in described.items()}
    rng = np.random.default_rng(seed)
    patches = {
        name: np.stack([draw_patches(image, rng) for image in images])
        for name, images in sets.items()
    }
    pixels = np.moveaxis(patches["reference"], 1, 0).reshape(LEVELS, -1)
    scale = np.stack([pixels.mean(axis=1), pixels.std(axis=1) + 1e-6], axis=1)
    projected = {name: project_patches(rows, scale, seed) for name, rows in patches.items()}

    others = [name for name in sets if name != "reference"]
    count = len(sets["reference"])
    whole = np.arange(count)

    def both(picked: dict[str, np.ndarray], name: str, wasserstein: bool) -> float:
        ours, theirs = picked[name], picked["reference"]
        if wasserstein:
            return sliced_wasserstein(projected[name][:, ours], projected["reference"][:, theirs])
        return frechet_distance(described[name][ours], described["reference"][theirs])

    results = {}
    for metric, repeats in (("frechet", resamples), ("sliced_wasserstein", resamples // 10)):
        is_sliced = metric == "sliced_wasserstein"
        values = {name: both(dict.fromkeys(sets, whole), name, is_sliced) for name in others}
        samples: dict[str, list[float]] = {name: [] for name in others}
        for _ in track(range(max(repeats, 2)), f"resampling, {metric}", console=LOG):
            picked = {name: rng.integers(count, size=count) for name in sets}
            picked["translated"] = picked["mammograms"]  # the same breasts
            for name in others:
                samples[name].append(both(picked, name, is_sliced))
        results[metric] = summarise(values, {name: np.array(s) for name, s in samples.items()})
    return results


def fidelity(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Measure what translation keeps: outline (Dice), order of grey levels, black air."""
    dice, correlation, air = [], [], []
    for old, new in zip(before, after, strict=True):
        first, second = breast_mask(old), breast_mask(new)
        dice.append(2 * (first & second).sum() / (first.sum() + second.sum()))
        correlation.append(np.corrcoef(old[first], new[first])[0, 1])
        outside = ~ndimage.binary_dilation(first, iterations=4)
        air.append(new[outside].mean() if outside.any() else 0.0)
    return {
        "outline_dice": float(np.mean(dice)),
        "correlation_in_breast": float(np.mean(correlation)),
        "mean_level_of_air": float(np.mean(air)),
    }


def main(
    data: Annotated[Path, typer.Option(help="Folder that simulate.py wrote.")] = Path("data"),
    weights: Annotated[Path, typer.Option(help="Weights of the translator.")] = WEIGHTS,
    limit: Annotated[int, typer.Option(min=4, help="Images per set at most.")] = 400,
    resamples: Annotated[int, typer.Option(min=2, help="Bootstrap resamples.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of patches and resampling.")] = 7,
    sheet: Annotated[Path | None, typer.Option(help="PNG with samples to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Compare mammograms, translated mammograms and slices with held-out slices."""
    start = time.perf_counter()
    names = {"mammograms": "test_mammograms", "floor": "floor_slices", "reference": "test_slices"}
    sets = {}
    for name, file in names.items():
        path = data / f"{file}.npy"
        if not path.exists():
            raise typer.BadParameter(f"{path} does not exist: run simulate.py first")
        sets[name] = np.load(path)[:limit].astype(np.float32) / 255
    network = ResnetTranslator.from_state_dict(load_file(weights))
    sets["translated"] = translate(network, sets["mammograms"])
    report: dict[str, object] = {"images_per_set": len(sets["reference"])}
    distances = compare(sets, resamples, seed)
    report.update(distances)
    report["fidelity"] = fidelity(sets["mammograms"], sets["translated"])
    report["seconds"] = round(time.perf_counter() - start, 1)
    if sheet:
        shown = ("mammograms", "translated", "reference")
        rows = [np.concatenate(list(sets[name][:6]), axis=1) for name in shown]
        Image.fromarray((np.concatenate(rows) * 255).astype(np.uint8)).save(sheet)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    table = Table(title="distance to held-out slices")
    for column in ("", "mammograms", "translated", "floor", "gap closed"):
        table.add_column(column, no_wrap=True)
    for metric, found in distances.items():
        cells = [
            f"{found[name]:.3f} ± {found[f'{name}_deviation']:.3f}"
            for name in ("mammograms", "translated", "floor")
        ]
        closed, low, high = (found[f"gap_closed{end}"] for end in ("", "_low", "_high"))
        table.add_row(metric, *cells, f"{closed:.1%} ({low:.1%} to {high:.1%})")
    screen = Console()
    if not screen.is_terminal:
        screen.width = 120  # a pipe has no width; nothing is to be cut off
    screen.print(table, report["fidelity"], f"{report['seconds']} s", sep="\n")


if __name__ == "__main__":
    typer.run(main)
