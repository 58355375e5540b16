"""Measure what masses synthetic patches show, and of what use they are.

Synthetic patches are compared with one held-out set of simulated patches, the
reference. Another held-out set shows what two samples of the same distribution
differ by. No seed of the simulation stands in two sets or in the training data.
How far the images are from each other, ``medigan evaluate`` says, with what
held_out.py makes. Measured here is what it can't know of:

* Contrast: mean grey level in the mask less that of a ring around it.
* Shape of the mask, by class: circularity and solidity; and how much of the mask
  lies apart from its largest piece.
* Diversity: mean root-mean-square difference between patches, shrunk to 32 pixels.
* Usefulness: area under the ROC curve with which a small convolutional network
  tells held-out malignant from benign masses, trained on synthetic patches or on
  simulated ones, the other held-out set.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import typer
from keras import layers
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from scipy.spatial import ConvexHull
from sklearn.metrics import roc_auc_score

from medigan_hub.plugin import NetworkRuntime
from medigan_model_cdcgan_breast_mass import plugin
from medigan_model_cdcgan_breast_mass.network import CLASSES, LATENT, SIZE

WEIGHTS = (
    Path(__file__).parents[1] / "medigan_model_cdcgan_breast_mass/weights/generator.weights.h5"
)
BATCH = 16
RING = (3, 12)
"""Distances in pixels from the mass between which its surroundings lie."""

Patches = dict[str, np.ndarray]
"""``images`` (N, 128, 128) float32 in [0, 1], ``masks`` likewise bool, ``labels`` (N,) uint8."""


def load(path: Path, limit: int) -> Patches:
    """Return the first patches that simulate.py wrote to ``path``."""
    if not path.exists():
        raise typer.BadParameter(f"{path} does not exist: run simulate.py first")
    with np.load(path) as stored:
        images = stored["images"][:limit].astype(np.float32) / 255
        return {
            "images": images,
            "masks": stored["masks"][:limit],
            "labels": stored["labels"][:limit],
        }


def synthesise(weights: Path, count: int, seed: int) -> Patches:
    """Draw ``count`` patches, benign and malignant in turn, in 8 bits as a plugin gives them."""
    runtime = plugin.runtime("tensorflow")
    assert isinstance(runtime, NetworkRuntime)  # noqa: S101 (for the type checker)
    network = runtime.open({"network": weights}, "cpu", "float32")
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % len(CLASSES)
    made = []
    for start in range(0, count, BATCH):
        part = labels[start : start + BATCH]
        made.append(
            network(
                rng.standard_normal((len(part), LATENT), np.float32),
                np.eye(len(CLASSES), dtype=np.float32)[part],
                rng.standard_normal((len(part), SIZE, SIZE, 1), np.float32),
            )
        )
    pairs = np.concatenate(made)
    images = np.rint(np.clip((pairs[..., 0] + 1) / 2, 0, 1) * 255).astype(np.float32) / 255
    return {"images": images, "masks": pairs[..., 1] > 0, "labels": labels}


def contrast(image: np.ndarray, mask: np.ndarray) -> float:
    """Return how much brighter the mass is than the ring around it, as a share of full range."""
    distance = ndimage.distance_transform_edt(~mask)
    ring = (distance > RING[0]) & (distance <= RING[1])
    return float(image[mask].mean() - image[ring].mean())


def shape(mask: np.ndarray) -> tuple[float, float, float]:
    """Return circularity and solidity of the largest piece, and the share of all other pieces.

    Circularity is 4 pi area / perimeter squared, 1 for a disc; solidity is the
    area divided by that of the convex hull. The perimeter is the total variation
    of the mask, smoothed by one pixel, by the coarea formula.
    """
    pieces, _ = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel())[1:]
    body = pieces == sizes.argmax() + 1
    smooth = ndimage.gaussian_filter(body.astype(np.float64), 1.0)
    perimeter = np.hypot(*np.gradient(smooth)).sum()
    rows, columns = np.nonzero(body)
    # A pixel is a square, not a point: all four corners belong to the hull.
    corners = [(rows + dy, columns + dx) for dy in (0, 1) for dx in (0, 1)]
    hull = ConvexHull(np.concatenate([np.stack(corner, axis=1) for corner in corners])).volume
    area = body.sum()
    return 4 * np.pi * area / perimeter**2, area / hull, 1 - area / mask.sum()


def describe(patches: Patches) -> dict[str, dict[str, tuple[float, float]]]:
    """Return mean and standard deviation of contrast and shape for each class."""
    found = {}
    for label, name in enumerate(CLASSES):
        chosen = (patches["labels"] == label) & patches["masks"].any(axis=(1, 2))
        pairs = list(zip(patches["images"][chosen], patches["masks"][chosen], strict=True))
        columns = np.array([(contrast(image, mask), *shape(mask)) for image, mask in pairs])
        names = ("contrast", "circularity", "solidity", "apart")
        found[name] = {
            key: (float(values.mean()), float(values.std()))
            for key, values in zip(names, columns.T, strict=True)
        }
    return found


def diversity(images: np.ndarray) -> float:
    """Return the mean root-mean-square difference between pairs of images, shrunk to 32 pixels."""
    pool = SIZE // 32
    small = images.reshape(len(images), 32, pool, 32, pool).mean((2, 4)).reshape(len(images), -1)
    squared = (small**2).sum(axis=1)
    between = squared[:, None] + squared - 2 * small @ small.T
    first, second = np.triu_indices(len(images), 1)
    return float(np.sqrt(np.clip(between[first, second], 0, None) / small.shape[1]).mean())


def classify(training: Patches, test: Patches, epochs: int, seed: int) -> float:
    """Train a small network to tell the classes by the image alone; return its AUC on ``test``."""
    keras.utils.set_random_seed(seed)

    def halved(patches: Patches) -> np.ndarray:
        images = patches["images"]
        small = images.reshape(len(images), SIZE // 2, 2, SIZE // 2, 2).mean((2, 4))
        return (small[..., None] - 0.4) / 0.2

    images, labels = halved(training), training["labels"].astype(np.float32)
    # Each patch also mirrored and upside down: the class stays.
    images = np.concatenate([images, images[:, ::-1], images[:, :, ::-1], images[:, ::-1, ::-1]])
    network = keras.Sequential([keras.Input((SIZE // 2, SIZE // 2, 1))])
    for width in (16, 32, 64):
        network.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        network.add(layers.MaxPooling2D())
    for layer in (layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(1)):
        network.add(layer)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(2e-3), loss)
    network.fit(images, np.tile(labels, 4), batch_size=32, epochs=epochs, verbose=0)
    scores = network.predict(halved(test), batch_size=100, verbose=0)[:, 0]
    return float(roc_auc_score(test["labels"], scores))


def measure(sets: dict[str, Patches], epochs: int, seed: int) -> dict[str, Any]:
    """Return all figures of ``synthetic`` and ``floor``, against ``reference``."""
    reference = sets["reference"]
    others = {name: sets[name] for name in ("synthetic", "floor")}
    return {
        "patches_per_set": len(reference["images"]),
        "by_class": {name: describe(each) for name, each in sets.items()},
        "empty_masks": int((~sets["synthetic"]["masks"].any(axis=(1, 2))).sum()),
        "diversity": {name: diversity(each["images"]) for name, each in sets.items()},
        "auc_trained_on": {
            name: classify(each, reference, epochs, seed) for name, each in others.items()
        },
    }


def main(
    data: Annotated[Path, typer.Option(help="Folder that simulate.py wrote.")] = Path("data"),
    weights: Annotated[Path, typer.Option(help="Weights of the generator.")] = WEIGHTS,
    limit: Annotated[int, typer.Option(min=4, help="Patches per set at most.")] = 600,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the classifier.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Compare synthetic patches and other simulated ones with held-out simulated patches."""
    start = time.perf_counter()
    sets = {"reference": load(data / "test.npz", limit), "floor": load(data / "floor.npz", limit)}
    sets["synthetic"] = synthesise(weights, len(sets["reference"]["images"]), seed)
    report = measure(sets, epochs, seed)
    report["seconds"] = round(time.perf_counter() - start, 1)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    print_tables(report)


def print_tables(report: dict[str, Any]) -> None:
    """Print what :func:`measure` returned."""
    screen = Console()
    if not screen.is_terminal:
        screen.width = 120  # a pipe has no width; nothing is to be cut off
    shapes = Table("mean ± deviation over patches", "synthetic", "held-out", "other simulated")
    sets = ("synthetic", "reference", "floor")
    for name in CLASSES:
        for key in ("contrast", "circularity", "solidity", "apart"):
            pairs = [report["by_class"][each][name][key] for each in sets]
            shapes.add_row(f"{key}, {name}", *(f"{mean:.3f} ± {off:.3f}" for mean, off in pairs))
    shapes.add_row("diversity", *(f"{report['diversity'][each]:.3f}" for each in sets))
    screen.print(shapes)
    auc = report["auc_trained_on"]
    screen.print(
        f"AUC of a classifier trained on synthetic patches {auc['synthetic']:.3f}, "
        f"on simulated ones {auc['floor']:.3f}; {report['empty_masks']} masks are empty; "
        f"{report['patches_per_set']} patches a set; {report['seconds']} s"
    )


if __name__ == "__main__":
    typer.run(main)
